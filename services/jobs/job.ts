import { z } from "zod";
import type { RunRow, Schedule } from "../../db/queries/jobs.ts";

const MS_PER_S = 1_000;

export const jobRun = z
  .object({
    id: z.string(),
    jobId: z.string(),
    trigger: z.enum(["schedule", "manual"]),
    status: z.enum(["requested", "running", "completed", "failed", "skipped"]),
    requestedByUserId: z.string().nullable(),
    createdAt: z.string(),
    startedAt: z.string().nullable(),
    finishedAt: z.string().nullable(),
    result: z.unknown().meta({ type: ["object", "null"] }),
    error: z.string().nullable(),
  })
  .meta({ id: "JobRun" });
export type JobRun = z.infer<typeof jobRun>;

export const job = z
  .object({
    id: z.string(),
    cron: z.string().describe("UTC."),
    lastSuccessAt: z.string().nullable(),
    lateAfterSeconds: z.int().describe("Without a success for so long the schedule is late."),
    isLate: z.boolean(),
    pausedAt: z.string().nullable(),
    pausedByUserId: z.string().nullable(),
  })
  .meta({ id: "Job" });
export type Job = z.infer<typeof job>;

export function toJob(row: Schedule): Job {
  return {
    id: row.jobId,
    cron: row.cron,
    lastSuccessAt: row.lastSuccessAt?.toISOString() ?? null,
    lateAfterSeconds: row.lateAfterSeconds,
    isLate: row.isLate,
    pausedAt: row.pausedAt?.toISOString() ?? null,
    pausedByUserId: row.pausedByUserId,
  };
}

export function toJobRun({ engineRunId: _, ...row }: RunRow): JobRun {
  return {
    ...row,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}

/** Whole minutes since a schedule last succeeded, or since it has been watched. */
export function minutesWithoutSuccess(row: Schedule): number {
  const since = Math.max(row.lastSuccessAt?.getTime() ?? 0, row.watchedSince.getTime());
  return Math.round((Date.now() - since) / MS_PER_S / 60);
}
