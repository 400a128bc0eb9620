import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  customType,
  index,
  jsonb,
  primaryKey,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import { audit, createdAt, instant, oid, xid8 } from "./common.ts";

const smallints = customType<{ data: number[] }>({ dataType: () => "smallint[]" });

/**
 * Row history: one row per change of a row in a tracked table, one partition a month (the PARTITION BY and the sequence are
 * added to the migration by hand). Written by the capture triggers alone.
 */
export const auditLogs = audit.table(
  "audit_logs",
  {
    id: bigint("id", { mode: "bigint" })
      .notNull()
      .default(sql`nextval('audit.audit_logs_id_seq')`),
    createdAt: createdAt(),
    tableSchema: text("table_schema").notNull(),
    tableName: text("table_name").notNull(),
    recordId: text("record_id").notNull(),
    newRecordId: text("new_record_id"),
    action: text("action", { enum: ["INSERT", "UPDATE", "DELETE", "TRUNCATE"] }).notNull(),
    oldValues: jsonb("old_values"),
    newValues: jsonb("new_values"),
    changedFields: text("changed_fields").array(),
    exactValues: jsonb("exact_values"),
    userId: text("user_id"),
    requestId: text("request_id"),
    restoreId: uuid("restore_id"),
    txid: xid8("txid")
      .notNull()
      .default(sql`pg_current_xact_id()`),
  },
  (t) => [
    index("audit_logs_record").on(t.tableName, t.recordId, t.id),
    index("audit_logs_new_record")
      .on(t.tableName, t.newRecordId, t.id)
      .where(sql`new_record_id is not null`),
    index("audit_logs_transaction").on(t.txid),
    index("audit_logs_created").using("brin", t.createdAt),
  ],
);

/** Tables (and each of their partitions) whose changes are captured, and how. */
export const trackedTables = audit.table(
  "tracked_tables",
  {
    relation: oid("relation").primaryKey(),
    root: oid("root").notNull(),
    tableSchema: text("table_schema").notNull(),
    tableName: text("table_name").notNull(),
    keyColumns: smallints("key_columns").notNull(),
    excludedColumns: smallints("excluded_columns").notNull(),
    redactedColumns: smallints("redacted_columns").notNull(),
    ignoredColumns: smallints("ignored_columns").notNull(),
    columns: jsonb("columns")
      .notNull()
      .default(sql`'{}'`),
    asEvents: jsonb("as_events"),
    bodyMd5: text("body_md5"),
    onError: text("on_error", { enum: ["block", "warn"] }).notNull(),
    isOn: boolean("is_on").notNull().default(true),
    trackedAt: instant("tracked_at")
      .notNull()
      .default(sql`clock_timestamp()`),
    trackedBy: text("tracked_by").notNull(),
  },
  (t) => [
    index("tracked_tables_root").on(t.root),
    check("check_tracked_on_error", sql`on_error in ('block', 'warn')`),
  ],
);

/** Tables whose changes were captured once: their history is still found by its name. */
export const untrackedTables = audit.table("untracked_tables", {
  relation: oid("relation").primaryKey(),
  tableSchema: text("table_schema").notNull(),
  tableName: text("table_name").notNull(),
  trackedAt: instant("tracked_at").notNull(),
  untrackedAt: instant("untracked_at")
    .notNull()
    .default(sql`clock_timestamp()`),
});

/** Times in which changes of a tracked table went unrecorded: capture was off, or failed under on_error = warn. */
export const captureGaps = audit.table(
  "capture_gaps",
  {
    relation: oid("relation").notNull(),
    tableSchema: text("table_schema").notNull(),
    tableName: text("table_name").notNull(),
    reason: text("reason", { enum: ["off", "error"] }).notNull(),
    beganAt: instant("began_at").notNull(),
    endedAt: instant("ended_at"),
    detail: text("detail"),
    notedBy: text("noted_by").notNull(),
  },
  (t) => [
    primaryKey({ name: "capture_gaps_pkey", columns: [t.relation, t.reason, t.beganAt] }),
    check("check_gap_reason", sql`reason in ('off', 'error')`),
  ],
);
