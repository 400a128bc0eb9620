import { findRun, findSchedule, insertRequestedRun } from "../../db/queries/jobs.ts";
import type { ScheduleId } from "../../lib/schedules.ts";
import { requireOperator, type Context } from "../context.ts";
import { notFound } from "../errors.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { requestWorkflow } from "../requests/request-workflow.ts";
import { resendIfWaiting } from "../requests/resend-waiting.ts";
import { toJobRun, type JobRun } from "./job.ts";

/** Runs a scheduled job now, paused or not. The run is committed before the workflow engine hears of it. */
export async function runJob(ctx: Context, jobId: string): Promise<JobRun> {
  requireOperator(ctx, "jobs:manage");
  return ctx.db.transaction(async (tx) => {
    if (!(await findSchedule(tx, jobId))) throw notFound("job");
    const inner = { ...ctx, db: tx };
    const run = await requestRun(inner, jobId as ScheduleId);
    await logServiceEvent(inner, "RUN_JOB", "job", jobId, { newValues: { runId: run.id } });
    return run;
  });
}

/** Asks for a run of a job within the caller's transaction, as a part of something else that was allowed. */
export async function requestRun(ctx: Context, jobId: ScheduleId): Promise<JobRun> {
  const run = await insertRequestedRun(ctx.db, jobId, ctx.principal.userId);
  await requestWorkflow(ctx, {
    eventId: run.id,
    eventName: `audit/${jobId}.requested`,
    data: { runId: run.id },
  });
  return toJobRun(run);
}

/** One run; looking at one that waits too long sends its event again. */
export async function getJobRun(ctx: Context, jobId: string, id: string): Promise<JobRun> {
  requireOperator(ctx, "jobs:read");
  const run = await findRun(ctx.db, jobId, id);
  if (!run) throw notFound("job run");
  if (run.status === "requested") await resendIfWaiting(ctx, run.id);
  return toJobRun(run);
}
