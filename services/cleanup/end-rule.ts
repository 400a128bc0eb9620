import {
  cleanupFaults,
  countDue,
  findCleanup,
  finishCleanup,
  noteProblem,
} from "../../db/queries/cleanup.ts";
import { toSql } from "../../lib/cleanup-rules.ts";
import { COUNT_MAX } from "./begin-rule.ts";
import { refusedInWords } from "./refused.ts";
import { findRule, type CleanupContext, type RuleRef } from "./context.ts";

interface RuleEnd {
  deletedCount: number;
  keptCount: number;
  remainingCount: number;
  hasProblem: boolean;
}

const NOTHING: RuleEnd = { deletedCount: 0, keptCount: 0, remainingCount: 0, hasProblem: false };

/** Counts what is still due by the time of the run, up to a million and one, and ends the rule's part of it. */
export async function endRule(ctx: CleanupContext, ref: RuleRef, isBusy: boolean): Promise<RuleEnd> {
  const row = await findCleanup(ctx.db, ref.runId, ref.digest);
  if (!row) return NOTHING;
  const rule = findRule(ctx, ref.digest);
  if (isBusy) await noteProblem(ctx.db, row.id, "was locked by others each time that its turn came");
  const fits = rule !== undefined && (await cleanupFaults(ctx.db, toSql(rule))).length === 0;
  const counted = fits
    ? await refusedInWords(() => countDue(ctx.db, toSql(rule), row.asOf, COUNT_MAX))
    : null;
  if (typeof counted === "string") await noteProblem(ctx.db, row.id, counted);
  const remaining = counted !== null && typeof counted === "object" ? counted.count : null;
  const end = await finishCleanup(ctx.db, row.id, remaining);
  return {
    deletedCount: end.deletedCount,
    keptCount: end.keptCount,
    remainingCount: end.remainingCount ?? 0,
    hasProblem: end.problem !== null,
  };
}
