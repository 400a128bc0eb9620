import { countOutcomes } from "../../db/queries/restore-items.ts";
import { findRun, lockRun, updateRun, type RunRow } from "../../db/queries/restore-runs.ts";
import { sqlNow } from "../../db/queries/rows.ts";
import { resolveAlert } from "../alerts/raise.ts";
import { requireOperator, type Context } from "../context.ts";
import { notFound, ServiceError } from "../errors.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { alarm } from "./alarm.ts";
import { logRun } from "./log-intent.ts";
import { isSilent } from "./silence.ts";
import { toRestore, type Restore } from "./run.ts";
import { settleOriginal } from "./settle-original.ts";

/**
 * Ends a restore: at once while it waits for an approval or when nobody works on it any more, else between two chunks. What
 * is applied stays, and can be rolled back. Throws `conflict` (409) when it has ended.
 */
export async function cancelRestore(ctx: Context, id: string): Promise<Restore> {
  requireOperator(ctx, "restores:run");
  if (!(await findRun(ctx.db, id))) throw notFound("restore");
  return ctx.db.transaction(async (tx) => {
    const inner = { ...ctx, db: tx };
    const run = (await lockRun(tx, id)) as RunRow;
    if (run.status !== "running" && run.status !== "awaiting_approval") {
      throw new ServiceError("conflict", `This restore cannot be cancelled: it is ${run.status}.`);
    }
    const isNow = run.status === "awaiting_approval" || isSilent(run);
    const counts = await countOutcomes(tx, id);
    const end = endOf(id, counts.applied);
    const row = await updateRun(tx, id, [run.status], {
      cancelRequestedAt: sqlNow,
      cancelRequestedByUserId: ctx.principal.userId,
      // Whoever still works on it finds another epoch and stops.
      ...(isNow ? { ...end, report: { ...counts, ...end }, endedAt: sqlNow, epoch: run.epoch + 1 } : {}),
    });
    if (isNow) {
      await resolveAlert(inner, "restore.silent", id);
      await settleOriginal(tx, run, { status: end.status, applied: counts.applied });
      if (end.status === "needs_attention") await alarm(inner, "restore.needs-attention", run, end);
      // It was begun, so it has an outcome.
      if (run.status === "running") {
        await logRun(inner, run, `RESTORE_${end.status.toUpperCase()}`, `outcome:${run.epoch}`, {
          applied: counts.applied,
          error: end.error,
        });
      }
    }
    await logServiceEvent(inner, "CANCEL_RESTORE", "restore", id, { newValues: { atOnce: isNow } });
    return toRestore(row as RunRow);
  });
}

/** What an abandoned restore leaves behind: nothing, or rows that nobody has looked at. */
function endOf(id: string, applied: number): { status: "cancelled" | "needs_attention"; error: string } {
  if (applied === 0) return { status: "cancelled", error: "It was cancelled while nobody worked on it." };
  return {
    status: "needs_attention",
    error: `It was abandoned after ${applied} rows were restored; no cache was flushed for all of them and nothing was verified. POST /api/restores/${id}/rollback puts everything back as it was; /side-effects flushes and enqueues.`,
  };
}
