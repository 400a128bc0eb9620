import {
  cleanupFaults,
  cleanupTable,
  countDue,
  databaseTime,
  findCleanup,
  insertCleanup,
  insertCleanupDeletion,
  type CleanupRow,
} from "../../db/queries/cleanup.ts";
import { inWords, toSql, type CleanupRule } from "../../lib/cleanup-rules.ts";
import { refusedInWords } from "./refused.ts";
import { CLEANUP_USER, findRule, type CleanupContext, type RuleRef } from "./context.ts";

/** Rows of one transaction. */
export const BATCH_ROWS = 2_000;
/** What is counted at most. */
export const COUNT_MAX = 1_000_001;

/**
 * Looks at a rule and writes down what a run is about to delete, before it does: the entry in the deletion log and the row
 * that keeps how far the run came commit together. Answers how many batches there can be; none when nothing is due, or
 * the rule does not fit the database. Repeating it answers the same.
 */
export async function beginRule(
  ctx: CleanupContext,
  ref: RuleRef,
  batchesLeft: number,
): Promise<{ batches: number }> {
  const before = await findCleanup(ctx.db, ref.runId, ref.digest);
  if (before) return { batches: before.batchesMax };
  const rule = findRule(ctx, ref.digest);
  if (!rule) return { batches: 0 };
  const asOf = await databaseTime(ctx.db);
  const { dueCount, problem, oldest, isTracked, children } = await look(ctx, rule, asOf);
  const batchesMax = Math.min(batchesOf(rule, dueCount), batchesLeft);
  return ctx.db.transaction(async (tx) => {
    const deletionId =
      batchesMax === 0
        ? null
        : await insertCleanupDeletion(tx, {
            deletedByUserId: CLEANUP_USER,
            subjectType: "rows",
            subjectId: rule.table,
            deletionAuthority: "afterimage.config.ts",
            deletionReason: inWords(rule),
            isIrrevocable: !isTracked,
            details: {
              runId: ref.runId,
              rule: { table: rule.table, where: rule.where, workspaceColumn: rule.workspaceColumn },
              asOf: asOf.toISOString(),
              rowsMax: Math.min(rule.rowsPerRun, batchesMax * BATCH_ROWS),
              dueCount,
              oldest,
              isTracked,
              children,
            },
          });
    await insertCleanup(tx, {
      runId: ref.runId,
      ruleDigest: ref.digest,
      rule: inWords(rule),
      tableName: rule.table,
      asOf,
      dueCount,
      batchesMax,
      deletionId,
      problem,
    });
    return { batches: batchesMax };
  });
}

type Looked = Pick<CleanupRow, "dueCount" | "problem"> & {
  oldest: string | null;
  isTracked: boolean;
  children: unknown[];
};

async function look(ctx: CleanupContext, rule: CleanupRule, asOf: Date): Promise<Looked> {
  const nothing = { dueCount: 0, oldest: null, isTracked: false, children: [] };
  const faults = await cleanupFaults(ctx.db, toSql(rule));
  if (faults.length > 0) return { ...nothing, problem: faults.join("; ") };
  const counted = await refusedInWords(() => countDue(ctx.db, toSql(rule), asOf, COUNT_MAX));
  if (typeof counted === "string") return { ...nothing, problem: counted };
  const table = await cleanupTable(ctx.db, rule.table);
  return { dueCount: counted.count, oldest: counted.oldest, problem: null, ...table };
}

const batchesOf = ({ rowsPerRun }: CleanupRule, due: number) =>
  Math.ceil(Math.min(due, rowsPerRun) / BATCH_ROWS);
