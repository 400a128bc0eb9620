import { sql } from "drizzle-orm";
import {
  bigint,
  check,
  date,
  index,
  integer,
  jsonb,
  numeric,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { audit, bytea, createdAt, instant } from "./common.ts";

/**
 * Files that months of the archive were written to. A file is read by searches from the moment its month's table is dropped
 * (dropped_at) until it is purged (purged_at). A month that gets late events is exported again, as further parts.
 */
export const coldMonths = audit.table(
  "cold_months",
  {
    id: uuid("id")
      .primaryKey()
      .default(sql`audit.uuid_v7()`),
    month: date("month", { mode: "string" }).notNull(),
    part: integer("part").notNull(),
    objectKey: text("object_key").notNull().unique("cold_months_object_key"),
    rowCount: bigint("row_count", { mode: "number" }).notNull(),
    bytes: bigint("bytes", { mode: "number" }).notNull(),
    minCreatedAt: instant("min_created_at").notNull(),
    maxCreatedAt: instant("max_created_at").notNull(),
    minWorkspaceId: text("min_workspace_id").notNull(),
    maxWorkspaceId: text("max_workspace_id").notNull(),
    workspaces: text("workspaces").array().notNull(),
    minId: uuid("min_id").notNull(),
    maxId: uuid("max_id").notNull(),
    lastWorkspaceId: text("last_workspace_id").notNull(),
    lastCreatedAt: instant("last_created_at").notNull(),
    lastId: uuid("last_id").notNull(),
    rowsDigest: bytea("rows_digest").notNull(),
    rowMarks: numeric("row_marks").notNull(),
    sha256: bytea("sha256").notNull(),
    chunkBytes: integer("chunk_bytes").notNull(),
    chunkDigests: bytea("chunk_digests").notNull(),
    schemaVersion: integer("schema_version").notNull(),
    encryption: jsonb("encryption"),
    exportedAt: instant("exported_at").notNull(),
    verifiedAt: instant("verified_at").notNull(),
    droppedAt: instant("dropped_at"),
    purgeId: uuid("purge_id"),
    purgedAt: instant("purged_at"),
    removedAt: instant("removed_at"),
  },
  (t) => [
    index("cold_months_found")
      .on(t.maxCreatedAt, t.minCreatedAt)
      .where(sql`dropped_at is not null and purged_at is null`),
    // Two runs that export the same month at the same time would each write its rows.
    uniqueIndex("cold_months_exporting")
      .on(t.month, t.part)
      .where(sql`dropped_at is null`),
    check("check_cold_month", sql`month = date_trunc('month', month::timestamp)::date`),
    check("check_cold_rows", sql`row_count > 0 and bytes > 0 and part > 0 and chunk_bytes > 0`),
    check(
      "check_cold_digests",
      sql`length(rows_digest) = 32 and length(sha256) = 32 and length(chunk_digests) % 32 = 0`,
    ),
    check("check_cold_order", sql`min_created_at <= max_created_at and min_id <= max_id`),
    check("check_cold_purged", sql`purged_at is null or (dropped_at is not null and purge_id is not null)`),
    check("check_cold_removed", sql`removed_at is null or purged_at is not null`),
  ],
);

/** Every object that this database has written for a month, or is writing: noted before, so that what no file needs can be told. */
export const coldObjects = audit.table("cold_objects", {
  objectKey: text("object_key").primaryKey(),
  month: date("month", { mode: "string" }).notNull(),
  namedAt: instant("named_at")
    .notNull()
    .default(sql`clock_timestamp()`),
});

/**
 * Events that were brought back from a cold file to hot storage. The copy in the file is not shown as long as one is here; the
 * entry goes when the event leaves the database for the same file again, or the file is purged.
 */
export const coldReturns = audit.table(
  "cold_returns",
  {
    fileId: uuid("file_id")
      .notNull()
      .references(() => coldMonths.id),
    eventCreatedAt: instant("event_created_at").notNull(),
    eventId: uuid("event_id").notNull(),
    contentDigest: bytea("content_digest").notNull(),
    returnedAt: instant("returned_at")
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  (t) => [
    primaryKey({ name: "cold_returns_pkey", columns: [t.fileId, t.eventCreatedAt, t.eventId] }),
    index("cold_returns_event").on(t.eventId),
    check("check_return_digest", sql`length(content_digest) = 32`),
  ],
);

/** Proposals to remove cold files for good. What one names never changes; another person decides. */
export const purges = audit.table(
  "purges",
  {
    id: uuid("id")
      .primaryKey()
      .default(sql`audit.uuid_v7()`),
    status: text("status", {
      enum: ["awaiting_approval", "approved", "rejected", "expired", "completed", "needs_attention"],
    })
      .notNull()
      .default("awaiting_approval"),
    files: uuid("files").array().notNull(),
    summary: jsonb("summary").notNull(),
    createdAt: createdAt(),
    expiresAt: instant("expires_at").notNull(),
    requestedByUserId: text("requested_by_user_id"),
    decision: text("decision", { enum: ["approved", "rejected"] }),
    decidedByUserId: text("decided_by_user_id"),
    decidedByKeyId: uuid("decided_by_key_id"),
    decidedAt: instant("decided_at"),
    decisionNote: text("decision_note"),
    endedAt: instant("ended_at"),
    report: jsonb("report"),
  },
  (t) => [
    index("purges_status").on(t.status, t.id),
    check(
      "check_purge_status",
      sql`status in ('awaiting_approval', 'approved', 'rejected', 'expired', 'completed', 'needs_attention')`,
    ),
    check("check_purge_files", sql`cardinality(files) > 0`),
    check("check_purge_decision", sql`decision in ('approved', 'rejected')`),
    check(
      "check_purge_decided",
      sql`(decision is null) = (decided_at is null) and (decision is null) = (decided_by_user_id is null)`,
    ),
  ],
);
