import { sql } from "drizzle-orm";
import { check, index, integer, jsonb, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import { audit, createdAt, instant } from "./common.ts";

/** One row per schedule: what the dead-man's switch compares with the clock. */
export const jobSchedules = audit.table("job_schedules", {
  jobId: text("job_id").primaryKey(),
  cron: text("cron").notNull(),
  lateAfterSeconds: integer("late_after_seconds").notNull(),
  watchedSince: instant("watched_since")
    .notNull()
    .default(sql`clock_timestamp()`),
  lastSuccessAt: instant("last_success_at"),
  pausedAt: instant("paused_at"),
  pausedByUserId: text("paused_by_user_id"),
});

/** Runs of scheduled workflows, by the clock or by hand. */
export const jobRuns = audit.table(
  "job_runs",
  {
    id: uuid("id")
      .primaryKey()
      .default(sql`audit.uuid_v7()`),
    jobId: text("job_id").notNull(),
    trigger: text("trigger", { enum: ["schedule", "manual"] }).notNull(),
    status: text("status", { enum: ["requested", "running", "completed", "failed", "skipped"] }).notNull(),
    engineRunId: text("engine_run_id"),
    requestedByUserId: text("requested_by_user_id"),
    createdAt: createdAt(),
    startedAt: instant("started_at"),
    finishedAt: instant("finished_at"),
    result: jsonb("result"),
    error: text("error"),
  },
  (t) => [
    index("job_runs_job").on(t.jobId, t.createdAt),
    uniqueIndex("job_runs_engine_run").on(t.engineRunId),
    check("check_job_run_status", sql`status in ('requested', 'running', 'completed', 'failed', 'skipped')`),
    check("check_job_run_trigger", sql`trigger in ('schedule', 'manual')`),
  ],
);

/** Events for the workflow engine, committed with the row that asks for the workflow. */
export const workflowRequests = audit.table(
  "workflow_requests",
  {
    eventId: uuid("event_id").primaryKey(),
    eventName: text("event_name").notNull(),
    data: jsonb("data").notNull(),
    createdAt: createdAt(),
    sendCount: integer("send_count").notNull().default(0),
    lastSentAt: instant("last_sent_at"),
    pickedUpAt: instant("picked_up_at"),
  },
  (t) => [
    index("workflow_requests_waiting")
      .on(t.createdAt)
      .where(sql`picked_up_at is null`),
  ],
);
