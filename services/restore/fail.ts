import { countOutcomes } from "../../db/queries/restore-items.ts";
import { notePickedUp } from "../../db/queries/requests.ts";
import { findRun, lockRun, updateRun } from "../../db/queries/restore-runs.ts";
import { sqlNow } from "../../db/queries/rows.ts";
import { resolveAlert } from "../alerts/raise.ts";
import { inTransaction, type WorkerContext } from "../context.ts";
import { alarm } from "./alarm.ts";
import { logRun } from "./log-intent.ts";
import type { RunRef } from "./note-step.ts";
import { settleOriginal } from "./settle-original.ts";

/** Notes that a restore's workflow has used up its retries; what it applied stays and can be resumed or rolled back. */
export async function failRestore(
  ctx: WorkerContext,
  { restoreId, epoch, requestId }: RunRef & { requestId: string | null },
): Promise<void> {
  // It may have failed before it noted so itself.
  if (requestId !== null) await notePickedUp(ctx.db, requestId);
  const run = await findRun(ctx.db, restoreId);
  if (!run || run.epoch !== epoch || (run.status !== "running" && run.status !== "awaiting_approval")) return;
  await inTransaction(ctx, async (inner) => {
    // A chunk that is being written commits first, and counts.
    if (!(await lockRun(inner.db, restoreId))) return;
    const counts = await countOutcomes(inner.db, restoreId);
    const { applied } = counts;
    const status = applied === 0 ? "failed" : "needs_attention";
    const error = `A step failed after all its retries; steps shows which. Mend the cause, then POST /api/restores/${restoreId}/resume${applied === 0 ? "." : " or /rollback."}`;
    const report = { ...counts, status, error };
    const row = await updateRun(inner.db, restoreId, [run.status], {
      status,
      error,
      report,
      endedAt: sqlNow,
    });
    if (!row) return;
    await settleOriginal(inner.db, run, { status, applied });
    await resolveAlert(inner, "restore.silent", restoreId);
    await logRun(inner, run, `RESTORE_${status.toUpperCase()}`, `outcome:${epoch}`, { applied, error });
    await alarm(inner, "restore.failed", run, { status, error });
  });
}
