import { endRun, lateSchedules, stuckRuns } from "../../db/queries/jobs.ts";
import { raiseAlert } from "../alerts/raise.ts";
import type { WorkerContext } from "../context.ts";
import { minutesWithoutSuccess } from "./job.ts";

const STUCK_AFTER_S = 2 * 60 * 60;
const STUCK_MAX = 100;

/** Raises an alert for each schedule without a recent success; its next success resolves it. */
export async function alertLateSchedules(ctx: WorkerContext): Promise<{ late: string[] }> {
  const late = await lateSchedules(ctx.db);
  for (const schedule of late) {
    const { jobId } = schedule;
    const minutes = minutesWithoutSuccess(schedule);
    await raiseAlert(ctx, {
      code: "schedule.late",
      subject: jobId,
      severity: "critical",
      message: `${jobId} has not succeeded for ${minutes} minutes. Check that the workflow engine reaches the service, then POST /api/jobs/${jobId}/run.`,
      details: { minutes, lastSuccessAt: schedule.lastSuccessAt?.toISOString() ?? null },
    });
  }
  return { late: late.map((one) => one.jobId) };
}

/** Gives up runs that the engine has forgotten: begun over two hours ago and never ended. */
export async function failStuckRuns(ctx: WorkerContext): Promise<{ stuck: number }> {
  let stuck = 0;
  for (const { id, jobId } of await stuckRuns(ctx.db, STUCK_AFTER_S, STUCK_MAX)) {
    const end = { status: "failed", error: "no end within two hours" } as const;
    if (!(await endRun(ctx.db, { id }, end))) continue;
    stuck++;
    await raiseAlert(ctx, {
      code: "job.stuck",
      subject: jobId,
      severity: "warning",
      message: `A run of ${jobId} began and never ended. Look at the workflow engine, then POST /api/jobs/${jobId}/run.`,
      details: { runId: id },
    });
  }
  return { stuck };
}
