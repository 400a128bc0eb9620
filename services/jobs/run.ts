import { findRun, findSchedule, insertRequestedRun } from "../../db/queries/jobs.ts";
import { requireScope, type Context } from "../context.ts";
import { notFound } from "../errors.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { requestWorkflow } from "../requests/request-workflow.ts";
import { resendIfWaiting } from "../requests/resend-waiting.ts";
import { toJobRun, type JobRun } from "./job.ts";

/** Runs a scheduled job now, paused or not. The run is committed before the workflow engine hears of it. */
export async function runJob(ctx: Context, jobId: string): Promise<JobRun> {
  requireScope(ctx, "jobs:manage");
  return ctx.db.transaction(async (tx) => {
    if (!(await findSchedule(tx, jobId))) throw notFound("job");
    const run = await insertRequestedRun(tx, jobId, ctx.principal.userId);
    const inner = { ...ctx, db: tx };
    await logServiceEvent(inner, "RUN_JOB", "job", jobId, { newValues: { runId: run.id } });
    await requestWorkflow(inner, {
      eventId: run.id,
      eventName: `audit/${jobId}.requested`,
      data: { runId: run.id },
    });
    return toJobRun(run);
  });
}

/** One run; looking at one that waits too long sends its event again. */
export async function getJobRun(ctx: Context, jobId: string, id: string): Promise<JobRun> {
  requireScope(ctx, "jobs:read");
  const run = await findRun(ctx.db, jobId, id);
  if (!run) throw notFound("job run");
  if (run.status === "requested") await resendIfWaiting(ctx, run.id);
  return toJobRun(run);
}
