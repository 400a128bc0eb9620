import { endRun, listSchedules, stuckRuns } from "../../db/queries/jobs.ts";
import { raiseAlert, resolveAlert } from "../alerts/raise.ts";
import { inTransaction, type WorkerContext } from "../context.ts";
import { minutesWithoutSuccess } from "./job.ts";

const STUCK_AFTER_S = 2 * 60 * 60;
const STUCK_MAX = 100;

/** Raises an alert for each schedule without a recent success, and closes it for one that succeeded or was paused. */
export async function alertLateSchedules(ctx: WorkerContext): Promise<{ late: string[] }> {
  const late: string[] = [];
  for (const schedule of await listSchedules(ctx.db)) {
    const { jobId } = schedule;
    if (!schedule.isLate) {
      await resolveAlert(ctx, "schedule.late", jobId);
      continue;
    }
    late.push(jobId);
    const minutes = minutesWithoutSuccess(schedule);
    await raiseAlert(ctx, {
      code: "schedule.late",
      subject: jobId,
      severity: "critical",
      message: `${jobId} has not succeeded for ${minutes} minutes. Check that the workflow engine reaches the service, then POST /api/jobs/${jobId}/run.`,
      details: { minutes, lastSuccessAt: schedule.lastSuccessAt?.toISOString() ?? null },
    });
  }
  return { late };
}

/** Gives up runs that the engine has forgotten: begun over two hours ago and never ended. */
export async function failStuckRuns(ctx: WorkerContext): Promise<{ stuck: number }> {
  let stuck = 0;
  for (const { id, jobId } of await stuckRuns(ctx.db, STUCK_AFTER_S, STUCK_MAX)) {
    const end = { status: "failed", error: "no end within two hours" } as const;
    await inTransaction(ctx, async (inner) => {
      if (!(await endRun(inner.db, { id }, end))) return;
      stuck++;
      await raiseAlert(inner, {
        code: "job.stuck",
        subject: jobId,
        severity: "warning",
        message: `A run of ${jobId} began and never ended. Look at the workflow engine, then POST /api/jobs/${jobId}/run.`,
        details: { runId: id },
      });
    });
  }
  return { stuck };
}
