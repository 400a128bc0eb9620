import { countOutcomes } from "../../db/queries/restore-items.ts";
import {
  findRun,
  lockRun,
  lockStarts,
  updateRun,
  type RunRow,
  wasPartlyRolledBack,
} from "../../db/queries/restore-runs.ts";
import { resolveAlert } from "../alerts/raise.ts";
import { requireOperator, type Context } from "../context.ts";
import { notFound, ServiceError } from "../errors.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { isSilent, SILENT_AFTER_S } from "./silence.ts";
import { beginRollback } from "./settle-original.ts";
import { requestRun, requireNoOverlap, requireNotRolledBack } from "./start.ts";
import { cameToItsEnd, toRestore, type Restore } from "./run.ts";

const S_PER_MIN = 60;

/**
 * Lets a restore go on that nobody works on any more, or that failed with chunks left to do; what is done is not done again.
 * Throws `conflict` (409) for any other.
 */
export async function resumeRestore(ctx: Context, id: string): Promise<Restore> {
  requireOperator(ctx, "restores:run");
  if (!(await findRun(ctx.db, id))) throw notFound("restore");
  return ctx.db.transaction(async (tx) => {
    const inner = { ...ctx, db: tx };
    await lockStarts(tx);
    const run = (await lockRun(tx, id)) as RunRow;
    await requireResumable(inner, run);
    await requireNotRolledBack(inner, id);
    await requireNoOverlap(inner, id);
    const row = (await updateRun(tx, id, [run.status], {
      status: statusAgain(run),
      epoch: run.epoch + 1,
      heartbeatAt: new Date(),
      endedAt: null,
      error: null,
      cancelRequestedAt: null,
      cancelRequestedByUserId: null,
    })) as RunRow;
    if (run.rollbackOf !== null && row.status === "running") await beginRollback(tx, run.rollbackOf);
    await requestRun(inner, row);
    await resolveAlert(inner, "restore.silent", id);
    await resolveAlert(inner, "restore.failed", id);
    await resolveAlert(inner, "restore.needs-attention", id);
    await logServiceEvent(inner, "RESUME_RESTORE", "restore", id, { newValues: { epoch: row.epoch } });
    return toRestore(row);
  });
}

/** One that failed before it was approved waits for that again. */
function statusAgain(run: RunRow): "running" | "awaiting_approval" {
  if (run.approvalNeeded === null || run.decision === "approved") return "running";
  if ((run.approvalExpiresAt as Date).getTime() > Date.now()) return "awaiting_approval";
  throw new ServiceError("conflict", "The time to approve this restore is over. Start it again.");
}

async function requireResumable(ctx: Context, run: RunRow): Promise<void> {
  if (isSilent(run)) return;
  if (run.status === "running") {
    throw new ServiceError(
      "conflict",
      `This restore is being worked on. It can be resumed once it was silent for ${SILENT_AFTER_S / S_PER_MIN} minutes.`,
    );
  }
  const { chunksDone } = await countOutcomes(ctx.db, run.id);
  // What comes after the last chunk can be left to do, too.
  const isLeft = chunksDone < run.chunkStarts.length || !cameToItsEnd(run);
  const hasStopped = run.status === "failed" || run.status === "needs_attention";
  if (hasStopped && isLeft && !(await wasPartlyRolledBack(ctx.db, run.id))) return;
  throw new ServiceError("conflict", `This restore has nothing left to do: it is ${run.status}.`);
}
