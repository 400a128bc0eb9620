import { findSchedule, lateSchedules, listRuns, listSchedules } from "../../db/queries/jobs.ts";
import { requireScope, type Context } from "../context.ts";
import { notFound } from "../errors.ts";
import { toJob, toJobRun, type Job, type JobRun } from "./job.ts";

const RUNS_SHOWN = 20;

/** Every schedule, with its last success and whether it is late. */
export async function listJobs(ctx: Context): Promise<{ items: Job[]; nextCursor: null }> {
  requireScope(ctx, "jobs:read");
  const late = new Set((await lateSchedules(ctx.db)).map((one) => one.jobId));
  const items = (await listSchedules(ctx.db)).map((row) => toJob(row, late.has(row.jobId)));
  return { items, nextCursor: null };
}

/** One schedule with its last 20 runs, newest first. */
export async function getJob(ctx: Context, jobId: string): Promise<Job & { runs: JobRun[] }> {
  requireScope(ctx, "jobs:read");
  const row = await findSchedule(ctx.db, jobId);
  if (!row) throw notFound("job");
  const late = await lateSchedules(ctx.db);
  const runs = await listRuns(ctx.db, jobId, RUNS_SHOWN);
  return {
    ...toJob(
      row,
      late.some((one) => one.jobId === jobId),
    ),
    runs: runs.map(toJobRun),
  };
}
