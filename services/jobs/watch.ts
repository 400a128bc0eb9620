import { endRun, lateSchedules, stuckRuns } from "../../db/queries/jobs.ts";
import { raiseAlert } from "../alerts/raise.ts";
import type { WorkerContext } from "../context.ts";

const STUCK_AFTER_S = 2 * 60 * 60;
const STUCK_MAX = 100;

/** Raises an alert for each schedule without a recent success; its next success resolves it. */
export async function alertLateSchedules(ctx: WorkerContext): Promise<{ late: string[] }> {
  const late = await lateSchedules(ctx.db);
  for (const { jobId, lateSeconds, lastSuccessAt } of late) {
    await raiseAlert(ctx, {
      code: "schedule.late",
      subject: jobId,
      severity: "critical",
      message: `${jobId} has not succeeded for ${Math.round(lateSeconds / 60)} minutes. Check that the workflow engine reaches the service, then POST /api/jobs/${jobId}/run.`,
      details: { lateSeconds, lastSuccessAt },
    });
  }
  return { late: late.map((one) => one.jobId) };
}

/** Gives up runs that the engine has forgotten: begun over two hours ago and never ended. */
export async function failStuckRuns(ctx: WorkerContext): Promise<{ stuck: number }> {
  const stuck = await stuckRuns(ctx.db, STUCK_AFTER_S, STUCK_MAX);
  for (const run of stuck) {
    await endRun(ctx.db, { id: run.id }, { status: "failed", error: "no end within two hours" });
    await raiseAlert(ctx, {
      code: "job.stuck",
      subject: run.jobId,
      severity: "warning",
      message: `A run of ${run.jobId} began and never ended. Look at the workflow engine, then POST /api/jobs/${run.jobId}/run.`,
      details: { runId: run.id },
    });
  }
  return { stuck: stuck.length };
}
