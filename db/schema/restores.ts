import { sql } from "drizzle-orm";
import { bigint, boolean, check, index, integer, jsonb, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { audit, bytea, createdAt, instant, oid, xid8 } from "./common.ts";

/**
 * Restores and their rollbacks. A preview is a row with status `planned`; starting it moves the same row on. Its plan is
 * its items, which never change; what became of them is in `restore_outcomes`.
 */
export const restoreRuns = audit.table(
  "restore_runs",
  {
    id: uuid("id")
      .primaryKey()
      .default(sql`audit.uuid_v7()`),
    rollbackOf: uuid("rollback_of"),
    status: text("status", {
      enum: [
        "planned",
        "awaiting_approval",
        "running",
        "completed",
        "needs_attention",
        "failed",
        "cancelled",
        "rejected",
        "expired",
        "rolling_back",
        "rolled_back",
      ],
    }).notNull(),
    target: jsonb("target").notNull(),
    options: jsonb("options").notNull(),
    reason: text("reason").notNull(),
    incident: text("incident"),
    digest: text("digest").notNull(),
    tables: jsonb("tables").notNull(),
    problems: jsonb("problems").notNull(),
    itemCount: integer("item_count").notNull(),
    chunkStarts: integer("chunk_starts").array().notNull(),
    requestedByUserId: text("requested_by_user_id").notNull(),
    requestedByKeyId: uuid("requested_by_key_id").notNull(),
    createdAt: createdAt(),
    expiresAt: instant("expires_at").notNull(),
    startedAt: instant("started_at"),
    endedAt: instant("ended_at"),
    approvalNeeded: text("approval_needed"),
    approvalExpiresAt: instant("approval_expires_at"),
    decision: text("decision", { enum: ["approved", "rejected"] }),
    decidedByUserId: text("decided_by_user_id"),
    decidedAt: instant("decided_at"),
    decisionNote: text("decision_note"),
    cancelRequestedAt: instant("cancel_requested_at"),
    cancelRequestedByUserId: text("cancel_requested_by_user_id"),
    epoch: integer("epoch").notNull().default(1),
    heartbeatAt: instant("heartbeat_at"),
    snapshotId: uuid("snapshot_id"),
    effectsRepeat: integer("effects_repeat").notNull().default(0),
    error: text("error"),
    report: jsonb("report"),
  },
  (t) => [
    index("restore_runs_status").on(t.status, t.id),
    index("restore_runs_rollback_of")
      .on(t.rollbackOf)
      .where(sql`rollback_of is not null`),
    check(
      "check_restore_status",
      sql`status in ('planned', 'awaiting_approval', 'running', 'completed', 'needs_attention', 'failed', 'cancelled', 'rejected', 'expired', 'rolling_back', 'rolled_back')`,
    ),
    check("check_restore_reason", sql`length(reason) between 1 and 2000`),
    check("check_restore_decision", sql`decision in ('approved', 'rejected')`),
    check("check_restore_decided", sql`(decision is null) = (decided_by_user_id is null)`),
    check("check_restore_epoch", sql`epoch >= 1`),
  ],
);

/** What a restore will do, row by row, in the order in which it does it. Written once, with the plan. */
export const restoreItems = audit.table(
  "restore_items",
  {
    runId: uuid("run_id").notNull(),
    position: integer("position").notNull(),
    chunk: integer("chunk").notNull(),
    batch: integer("batch").notNull(),
    relation: oid("relation").notNull(),
    recordId: text("record_id").notNull(),
    liveRecordId: text("live_record_id"),
    action: text("action", { enum: ["insert", "update", "delete"] }).notNull(),
    origin: text("origin", { enum: ["target", "child", "parent"] }).notNull(),
    entryId: bigint("entry_id", { mode: "bigint" }),
    columns: text("columns").array(),
    target: jsonb("target"),
    targetExact: jsonb("target_exact"),
    live: jsonb("live"),
    liveExact: jsonb("live_exact"),
    liveDigest: bytea("live_digest"),
    conflict: text("conflict"),
  },
  (t) => [
    primaryKey({ name: "restore_items_pkey", columns: [t.runId, t.position] }),
    check("check_restore_action", sql`action in ('insert', 'update', 'delete')`),
    check("check_restore_target", sql`(action = 'delete') = (target is null)`),
    check("check_restore_live", sql`(action = 'insert') = (live_record_id is null)`),
  ],
);

/** What became of an item, written in the transaction that did it. */
export const restoreOutcomes = audit.table(
  "restore_outcomes",
  {
    runId: uuid("run_id").notNull(),
    position: integer("position").notNull(),
    outcome: text("outcome", { enum: ["applied", "skipped"] }).notNull(),
    digest: bytea("digest"),
    detail: text("detail"),
  },
  (t) => [
    primaryKey({ name: "restore_outcomes_pkey", columns: [t.runId, t.position] }),
    check("check_restore_outcome", sql`outcome in ('applied', 'skipped')`),
  ],
);

/** Chunks that are applied: the row commits with the chunk, so a retry finds it done. */
export const restoreChunks = audit.table(
  "restore_chunks",
  {
    runId: uuid("run_id").notNull(),
    chunk: integer("chunk").notNull(),
    txid: xid8("txid")
      .notNull()
      .default(sql`pg_current_xact_id()`),
    appliedCount: integer("applied_count").notNull(),
    skippedCount: integer("skipped_count").notNull(),
    appliedAt: instant("applied_at")
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  (t) => [primaryKey({ name: "restore_chunks_pkey", columns: [t.runId, t.chunk] })],
);

/** Rows as they were before a restore; a row that was not there has no entry. */
export const restoreSnapshotRows = audit.table(
  "restore_snapshot_rows",
  {
    runId: uuid("run_id").notNull(),
    position: integer("position").notNull(),
    image: jsonb("image").notNull(),
    exact: jsonb("exact"),
    digest: bytea("digest").notNull(),
  },
  (t) => [primaryKey({ name: "restore_snapshot_rows_pkey", columns: [t.runId, t.position] })],
);

/** Each attempt of each step of a restore: when it began and ended, and what came of it. */
export const restoreSteps = audit.table(
  "restore_steps",
  {
    runId: uuid("run_id").notNull(),
    step: text("step").notNull(),
    attempt: integer("attempt").notNull(),
    startedAt: instant("started_at")
      .notNull()
      .default(sql`clock_timestamp()`),
    endedAt: instant("ended_at"),
    outcome: text("outcome", { enum: ["done", "failed"] }),
    detail: jsonb("detail"),
  },
  (t) => [
    primaryKey({ name: "restore_steps_pkey", columns: [t.runId, t.step, t.attempt] }),
    check("check_restore_step_outcome", sql`outcome in ('done', 'failed')`),
  ],
);

/** Cache keys flushed, jobs enqueued and addresses checked after a restore; `repeat` counts the times all of it was asked for. */
export const restoreEffects = audit.table(
  "restore_effects",
  {
    runId: uuid("run_id").notNull(),
    repeat: integer("repeat").notNull().default(0),
    kind: text("kind", { enum: ["flush", "enqueue", "check"] }).notNull(),
    name: text("name").notNull(),
    isDone: boolean("is_done").notNull().default(false),
    detail: jsonb("detail"),
    createdAt: createdAt(),
    doneAt: instant("done_at"),
  },
  (t) => [
    primaryKey({ name: "restore_effects_pkey", columns: [t.runId, t.repeat, t.kind, t.name] }),
    check("check_restore_effect_kind", sql`kind in ('flush', 'enqueue', 'check')`),
  ],
);
