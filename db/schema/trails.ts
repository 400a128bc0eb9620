import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  numeric,
  primaryKey,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import { audit, createdAt, instant } from "./common.ts";

const tokens = (name: string) => integer(name);
const money = (name: string) => numeric(name, { mode: "number" });
const total = (name: string) => bigint(name, { mode: "number" }).notNull().default(0);

/** Projects that may own message trails; a deleted one is hidden at once and swept in bounded batches. */
export const projects = audit.table(
  "projects",
  {
    projectId: text("project_id").primaryKey(),
    trailRetentionDays: integer("trail_retention_days").notNull().default(7),
    createdAt: createdAt(),
    createdByUserId: text("created_by_user_id").notNull(),
    deletedAt: instant("deleted_at"),
  },
  () => [
    check("check_project_id_length", sql`length(project_id) between 1 and 200`),
    check("check_trail_retention_days", sql`trail_retention_days between 1 and 3650`),
  ],
);

/** One row per AI message: what answered, with how much context, tokens and money. */
export const auditTrails = audit.table(
  "audit_trails",
  {
    projectId: text("project_id").notNull(),
    messageId: text("message_id").notNull(),
    id: uuid("id")
      .notNull()
      .default(sql`audit.uuid_v7()`),
    status: text("status", { enum: ["placeholder", "complete", "failed"] }).notNull(),
    timestamp: instant("timestamp")
      .notNull()
      .default(sql`clock_timestamp()`),
    model: text("model").notNull(),
    reasoning: jsonb("reasoning").$type<string[]>(),
    contextLayers: integer("context_layers").notNull(),
    promptTokens: tokens("prompt_tokens"),
    completionTokens: tokens("completion_tokens"),
    totalTokens: tokens("total_tokens"),
    cachedTokens: tokens("cached_tokens"),
    reasoningTokens: tokens("reasoning_tokens"),
    promptCost: money("prompt_cost"),
    completionCost: money("completion_cost"),
    totalCost: money("total_cost"),
    latencyMs: integer("latency_ms"),
    promptDigest: text("prompt_digest"),
    contextDigest: text("context_digest"),
    policyDigest: text("policy_digest"),
    createdAt: createdAt(),
    updatedAt: instant("updated_at")
      .notNull()
      .default(sql`clock_timestamp()`),
    completedAt: instant("completed_at"),
    // Retention counts from here: what was imported yesterday is not cleaned up tonight for being old.
    importedAt: instant("imported_at"),
    // What the roll-up has counted of this row, so that a later change adds only the difference.
    counted: jsonb("counted"),
    rollupDue: boolean("rollup_due").notNull().default(true),
  },
  (t) => [
    primaryKey({ name: "audit_trails_pkey", columns: [t.projectId, t.messageId] }),
    foreignKey({
      name: "audit_trails_project",
      columns: [t.projectId],
      foreignColumns: [projects.projectId],
    }).onDelete("cascade"),
    index("audit_trails_message").on(t.messageId),
    index("audit_trails_project_time").on(t.projectId, t.timestamp, t.id),
    index("audit_trails_time").on(t.timestamp),
    index("audit_trails_rollup_due")
      .on(t.timestamp)
      .where(sql`rollup_due`),
    index("audit_trails_project_due")
      .on(t.projectId)
      .where(sql`rollup_due`),
    // In the order in which the clean-up takes them, so that it reads no trail that is kept.
    index("audit_trails_past")
      .on(t.projectId, sql`greatest("timestamp", imported_at)`)
      .where(sql`not rollup_due`),
    check("check_message_id_length", sql`length(message_id) between 1 and 200`),
    check("check_trail_status", sql`status in ('placeholder', 'complete', 'failed')`),
    check("check_trail_model_length", sql`length(model) between 1 and 200`),
    check("check_context_layers", sql`context_layers >= 0`),
    check(
      "check_trail_tokens",
      sql`least(prompt_tokens, completion_tokens, total_tokens, cached_tokens, reasoning_tokens, latency_ms) >= 0`,
    ),
    // NaN is greater than Infinity here; either would poison every total it is added to.
    check(
      "check_trail_costs",
      sql`least(prompt_cost, completion_cost, total_cost) >= 0 and greatest(prompt_cost, completion_cost, total_cost) < 'Infinity'`,
    ),
    // The roll-up computes a bucket from it: an infinite one would stop every run.
    check(
      "check_trail_timestamp",
      sql`"timestamp" >= timestamptz '2000-01-01 00:00:00+00' and "timestamp" < timestamptz '2200-01-01 00:00:00+00'`,
    ),
    check("check_trail_completed_at", sql`(status = 'placeholder') = (completed_at is null)`),
  ],
);

/** Totals per 15 minutes (UTC), project and model; kept for ever, so a day is right in any time zone. */
export const auditTrailRollup = audit.table(
  "audit_trail_rollup",
  {
    projectId: text("project_id").notNull(),
    bucketStart: instant("bucket_start").notNull(),
    model: text("model").notNull(),
    messageCount: total("message_count"),
    completeCount: total("complete_count"),
    failedCount: total("failed_count"),
    unpricedCount: total("unpriced_count"),
    promptTokens: total("prompt_tokens"),
    completionTokens: total("completion_tokens"),
    totalTokens: total("total_tokens"),
    cachedTokens: total("cached_tokens"),
    reasoningTokens: total("reasoning_tokens"),
    promptCost: money("prompt_cost").notNull().default(0),
    completionCost: money("completion_cost").notNull().default(0),
    totalCost: money("total_cost").notNull().default(0),
  },
  (t) => [
    primaryKey({ name: "audit_trail_rollup_pkey", columns: [t.projectId, t.bucketStart, t.model] }),
    foreignKey({
      name: "audit_trail_rollup_project",
      columns: [t.projectId],
      foreignColumns: [projects.projectId],
    }).onDelete("cascade"),
    index("audit_trail_rollup_unpriced")
      .on(t.bucketStart)
      .where(sql`unpriced_count > 0`),
    check(
      "check_bucket_start",
      sql`date_bin('15 minutes', bucket_start, timestamptz '2000-01-01 00:00:00+00') = bucket_start`,
    ),
  ],
);
