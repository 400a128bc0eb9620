import { sql } from "drizzle-orm";
import { check, index, inet, jsonb, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { audit, bytea, instant, xid8 } from "./common.ts";

const objectOrNull = (column: string) =>
  sql.raw(`${column} is null or (jsonb_typeof(${column}) = 'object' and ${column} <> '{}'::jsonb)`);

const eventColumns = () => ({
  id: uuid("id")
    .notNull()
    .default(sql`audit.uuid_v7()`),
  createdAt: instant("created_at")
    .notNull()
    .default(sql`clock_timestamp()`),
  occurredAt: instant("occurred_at"),
  eventId: text("event_id"),
  // Nullable on purpose: the named checks refuse null with the message that operators know.
  workspaceId: text("workspace_id"),
  createdByUserId: text("created_by_user_id"),
  actionType: text("action_type").notNull(),
  resourceType: text("resource_type").notNull(),
  resourceId: text("resource_id").notNull(),
  oldValues: jsonb("old_values"),
  newValues: jsonb("new_values"),
  changedFields: text("changed_fields").array(),
  ipAddress: inet("ip_address"),
  userAgent: text("user_agent"),
  requestId: text("request_id"),
  tags: text("tags").array(),
  metadata: jsonb("metadata"),
  txid: xid8("txid")
    .notNull()
    .default(sql`pg_current_xact_id()`),
  deletedAt: instant("deleted_at"),
  deletedByUserId: text("deleted_by_user_id"),
  deletionReason: text("deletion_reason"),
});

const eventChecks = () => [
  check("check_action_type_not_empty", sql`btrim(action_type) <> ''`),
  check("check_resource_type_not_empty", sql`btrim(resource_type) <> ''`),
  check("check_workspace_id_not_null", sql`workspace_id is not null and workspace_id <> ''`),
  check(
    "check_created_by_user_id_not_null",
    sql`created_by_user_id is not null and created_by_user_id <> ''`,
  ),
  check("check_created_at_not_future", sql`created_at <= clock_timestamp() + interval '1 minute'`),
  check("check_occurred_at_finite", sql`isfinite(occurred_at)`),
  check("check_old_values_not_empty", objectOrNull("old_values")),
  check("check_new_values_not_empty", objectOrNull("new_values")),
  check(
    "check_id_lengths",
    sql`greatest(length(action_type), length(resource_type), length(resource_id), length(workspace_id), length(created_by_user_id), length(event_id)) <= 200 and resource_id <> ''`,
  ),
];

/** Workspace events, append-only, one partition a month (the PARTITION BY is added to the migration by hand). */
export const auditEvents = audit.table("audit_events", eventColumns(), (t) => [
  primaryKey({ name: "audit_events_pkey", columns: [t.id, t.createdAt] }),
  index("audit_events_created").on(t.createdAt, t.id),
  index("audit_events_workspace").on(t.workspaceId, t.createdAt, t.id),
  index("audit_events_resource").on(t.workspaceId, t.resourceType, t.resourceId, t.createdAt, t.id),
  index("audit_events_actor").on(t.workspaceId, t.createdByUserId, t.createdAt, t.id),
  ...eventChecks(),
]);

/**
 * Events past their hot time, with the same columns, checks and indexes, so that a month of audit_events becomes one of these
 * as it stands; append-only, one partition a month (the PARTITION BY is added to the migration by hand).
 */
export const auditEventsArchive = audit.table(
  "audit_events_archive",
  {
    ...eventColumns(),
    archivedAt: instant("archived_at")
      .notNull()
      .default(sql`now()`),
  },
  (t) => [
    primaryKey({ name: "audit_events_archive_pkey", columns: [t.id, t.createdAt] }),
    index("audit_events_archive_created").on(t.createdAt, t.id),
    index("audit_events_archive_workspace").on(t.workspaceId, t.createdAt, t.id),
    index("audit_events_archive_resource").on(t.workspaceId, t.resourceType, t.resourceId, t.createdAt, t.id),
    index("audit_events_archive_actor").on(t.workspaceId, t.createdByUserId, t.createdAt, t.id),
    ...eventChecks(),
  ],
);

/** Every event in the database once, hot or archived (db/sql/events-every.sql). */
export const everyEvent = audit
  .view("every_event", { ...eventColumns(), archivedAt: instant("archived_at") })
  .existing();

/** Events that were brought back from the archive, and until when they stay. */
export const auditArchivePins = audit.table(
  "audit_archive_pins",
  {
    eventId: uuid("event_id").notNull(),
    eventCreatedAt: instant("event_created_at").notNull(),
    workspaceId: text("workspace_id").notNull(),
    pinnedUntil: instant("pinned_until").notNull(),
    pinnedAt: instant("pinned_at")
      .notNull()
      .default(sql`clock_timestamp()`),
    pinnedByUserId: text("pinned_by_user_id").notNull(),
    reason: text("reason"),
  },
  (t) => [primaryKey({ name: "audit_archive_pins_pkey", columns: [t.eventCreatedAt, t.eventId] })],
);

/** The callers' natural keys: a partitioned table cannot promise that they are unique, this one can. */
export const auditEventKeys = audit.table(
  "audit_event_keys",
  {
    workspaceId: text("workspace_id").notNull(),
    eventId: text("event_id").notNull(),
    id: uuid("id").notNull(),
    payloadHash: bytea("payload_hash").notNull(),
  },
  (t) => [primaryKey({ name: "audit_event_keys_pkey", columns: [t.workspaceId, t.eventId] })],
);

/** The chronology watermark of each workspace, advanced at most once a second. */
export const auditEventSequence = audit.table("audit_event_sequence", {
  workspaceId: text("workspace_id").primaryKey(),
  lastEventId: uuid("last_event_id"),
  lastCreatedAt: instant("last_created_at").notNull(),
});

/** Where the membership check looks: at most one row. */
export const membershipSource = audit.table(
  "membership_source",
  {
    id: text("id").primaryKey().default("the one"),
    sourceTable: text("source_table").notNull(),
    workspaceColumn: text("workspace_column").notNull(),
    userColumn: text("user_column").notNull(),
    setAt: instant("set_at")
      .notNull()
      .default(sql`clock_timestamp()`),
    setBy: text("set_by")
      .notNull()
      .default(sql`session_user`),
  },
  () => [check("check_membership_source_single", sql`id = 'the one'`)],
);
