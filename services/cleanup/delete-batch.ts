import {
  beginDeleting,
  findCleanup,
  lockCleanup,
  lockDue,
  lockHolds,
  noteBatch,
  noteProblem,
  type CleanupRow,
  type Key,
} from "../../db/queries/cleanup.ts";
import type { Db } from "../../db/client.ts";
import { toSql, type CleanupRule } from "../../lib/cleanup-rules.ts";
import { DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE, SERIALIZATION_FAILURE } from "../../lib/sqlstate.ts";
import { hasSqlstate } from "../postgres-errors.ts";
import { BATCH_ROWS } from "./begin-rule.ts";
import { deleteWhatMay } from "./delete-what-may.ts";
import { refusedInWords } from "./refused.ts";
import { CLEANUP_USER, findRule, type CleanupContext, type RuleRef } from "./context.ts";

const LOCK_TIMEOUT = "1s";
/** What somebody else has locked, or a deadlock with them. */
const BUSY = [LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED, SERIALIZATION_FAILURE];

type Batch = "more" | "done" | "busy" | "stopped";

/**
 * Deletes the next batch of a rule, in one short transaction that also notes how far the run came, so that a repeated step
 * deletes nothing more. Rows that others hold are left to the next run; those that rows of other tables reference, or that a
 * hold came to keep meanwhile, stay and are counted. What the database refuses for good stops the rule, and is noted; what may
 * work the next time is thrown.
 */
export async function deleteBatch(ctx: CleanupContext, ref: RuleRef, batch: number): Promise<Batch> {
  const rule = findRule(ctx, ref.digest);
  if (!rule) return "stopped";
  const outcome = await refusedInWords(async () => {
    try {
      return { batch: await ctx.db.transaction((tx) => deleteNext(tx, ref, rule, batch)) };
    } catch (error) {
      if (hasSqlstate(error, ...BUSY)) return { batch: "busy" as const };
      throw error;
    }
  });
  if (typeof outcome !== "string") return outcome.batch;
  const row = await findCleanup(ctx.db, ref.runId, ref.digest);
  if (row) await noteProblem(ctx.db, row.id, outcome);
  return "stopped";
}

async function deleteNext(tx: Db, ref: RuleRef, rule: CleanupRule, batch: number): Promise<Batch> {
  const row = await lockCleanup(tx, ref.runId, ref.digest);
  if (!row || row.finishedAt !== null) return "stopped";
  if (row.batch >= batch) return hasMore(row, rule);
  await beginDeleting(tx, { userId: CLEANUP_USER, requestId: ref.runId, lockTimeout: LOCK_TIMEOUT });
  const limit = Math.min(BATCH_ROWS, rule.rowsPerRun - row.deletedCount - row.keptCount);
  if (limit <= 0) return "done";
  const after = row.lastKey as Key | null;
  const { keys, deleting } = await lockDue(tx, toSql(rule), row.asOf, after, limit);
  const last = keys.at(-1);
  if (last === undefined) return "done";
  await lockHolds(tx);
  const deleted = await deleteWhatMay(tx, deleting, keys);
  await noteBatch(tx, row.id, { batch, lastKey: last, deleted, kept: keys.length - deleted });
  return keys.length === limit && limit === BATCH_ROWS ? "more" : "done";
}

/** What a repeated step answers: the next one finds out whether there is more. */
const hasMore = (row: CleanupRow, { rowsPerRun }: CleanupRule): Batch =>
  row.deletedCount + row.keptCount < rowsPerRun ? "more" : "done";
