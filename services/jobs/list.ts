import { findSchedule, lastRuns, listRuns, listSchedules } from "../../db/queries/jobs.ts";
import { requireOperator, type Context } from "../context.ts";
import { notFound } from "../errors.ts";
import { toJob, toJobRun, type Job, type JobRun } from "./job.ts";

const RUNS_SHOWN = 20;

/** Every schedule, with its last run and whether it is late. */
export async function listJobs(
  ctx: Context,
): Promise<{ items: (Job & { lastRun: JobRun | null })[]; nextCursor: null }> {
  requireOperator(ctx, "jobs:read");
  const runs = new Map((await lastRuns(ctx.db)).map((run) => [run.jobId, toJobRun(run)]));
  const items = (await listSchedules(ctx.db)).map((row) => ({
    ...toJob(row),
    lastRun: runs.get(row.jobId) ?? null,
  }));
  return { items, nextCursor: null };
}

/** One schedule with its last 20 runs, newest first. */
export async function getJob(ctx: Context, jobId: string): Promise<Job & { runs: JobRun[] }> {
  requireOperator(ctx, "jobs:read");
  const row = await findSchedule(ctx.db, jobId);
  if (!row) throw notFound("job");
  const runs = await listRuns(ctx.db, jobId, RUNS_SHOWN);
  return { ...toJob(row), runs: runs.map(toJobRun) };
}
