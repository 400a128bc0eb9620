import {
  endRun,
  findSchedule,
  noteSuccess,
  startRequestedRun,
  startScheduledRun,
} from "../../db/queries/jobs.ts";
import { notePickedUp } from "../../db/queries/requests.ts";
import type { ScheduleId } from "../../lib/schedules.ts";
import { resolveAlert } from "../alerts/raise.ts";
import { inTransaction, type WorkerContext } from "../context.ts";
import { isQuiet } from "../quiet.ts";

interface BegunRun {
  /** Null when there is nothing to do: the job is paused, another run has this request, or no clock counts here. */
  runId: string | null;
}

/** Notes that a workflow began: by the clock, or for the run that somebody asked for. Repeating it changes nothing. */
export async function beginRun(
  ctx: WorkerContext,
  input: { jobId: ScheduleId; engineRunId: string; requestedRunId: string | null },
): Promise<BegunRun> {
  const { jobId, engineRunId, requestedRunId } = input;
  return ctx.db.transaction(async (tx) => {
    if (requestedRunId !== null) {
      await notePickedUp(tx, requestedRunId);
      const run = await startRequestedRun(tx, { id: requestedRunId, jobId, engineRunId });
      return { runId: run?.id ?? null };
    }
    if (await isQuiet({ ...ctx, db: tx })) return { runId: null };
    const run = await startScheduledRun(tx, jobId, engineRunId);
    const schedule = await findSchedule(tx, jobId);
    if (!schedule?.pausedAt) return { runId: run.id };
    await endRun(tx, { id: run.id }, { status: "skipped" });
    return { runId: null };
  });
}

/** Notes that a run did its work, and sets the dead-man's switch of its schedule back. */
export async function finishRun(
  ctx: WorkerContext,
  input: { jobId: ScheduleId; runId: string; result: unknown },
): Promise<void> {
  const { jobId, runId, result } = input;
  await inTransaction(ctx, async (inner) => {
    await endRun(inner.db, { id: runId }, { status: "completed", result });
    await noteSuccess(inner.db, jobId);
    for (const code of ["job.failed", "job.stuck", "schedule.late"] as const) {
      await resolveAlert(inner, code, jobId);
    }
  });
}
