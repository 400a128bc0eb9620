import { findSchedule, setPaused } from "../../db/queries/jobs.ts";
import { requireOperator, type Context } from "../context.ts";
import { notFound } from "../errors.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { toJob, type Job } from "./job.ts";

/** A paused job does nothing when its time comes, and is not late. Pausing twice changes nothing. */
export const pauseJob = (ctx: Context, jobId: string) => switchJob(ctx, jobId, true);

/** Lets a paused job run by the clock again; it is late only after a whole cadence from now. */
export const resumeJob = (ctx: Context, jobId: string) => switchJob(ctx, jobId, false);

async function switchJob(ctx: Context, jobId: string, pause: boolean): Promise<Job> {
  requireOperator(ctx, "jobs:manage");
  return ctx.db.transaction(async (tx) => {
    const changed = await setPaused(tx, jobId, pause ? ctx.principal.userId : null);
    if (changed) {
      await logServiceEvent({ ...ctx, db: tx }, pause ? "PAUSE_JOB" : "RESUME_JOB", "job", jobId, {
        oldValues: { paused: !pause },
        newValues: { paused: pause },
      });
    }
    const row = await findSchedule(tx, jobId);
    if (!row) throw notFound("job");
    return toJob(row);
  });
}
