import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  customType,
  integer,
  jsonb,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { audit, createdAt, instant } from "./common.ts";

const xid8s = customType<{ data: string[] }>({ dataType: () => "xid8[]" });

/** How far a rule of the retention has come in a run of retention-cleanup: where the next batch begins, and what was done. */
export const retentionCleanups = audit.table(
  "retention_cleanups",
  {
    id: uuid("id")
      .primaryKey()
      .default(sql`audit.uuid_v7()`),
    runId: uuid("run_id").notNull(),
    ruleDigest: text("rule_digest").notNull(),
    rule: text("rule").notNull(),
    tableName: text("table_name").notNull(),
    asOf: instant("as_of").notNull(),
    dueCount: bigint("due_count", { mode: "number" }).notNull(),
    batchesMax: integer("batches_max").notNull(),
    deletionId: uuid("deletion_id"),
    batch: integer("batch").notNull().default(0),
    lastKey: jsonb("last_key"),
    deletedCount: bigint("deleted_count", { mode: "number" }).notNull().default(0),
    keptCount: bigint("kept_count", { mode: "number" }).notNull().default(0),
    remainingCount: bigint("remaining_count", { mode: "number" }),
    problem: text("problem"),
    createdAt: createdAt(),
    finishedAt: instant("finished_at"),
  },
  (t) => [uniqueIndex("retention_cleanups_rule").on(t.runId, t.ruleDigest)],
);

/** Since when the row history is kept, in one row: none until its first month was dropped. */
export const historyFloor = audit.table(
  "history_floor",
  {
    isOnly: boolean("is_only").primaryKey().default(true),
    beginsAt: instant("begins_at").notNull(),
    splitTransactions: xid8s("split_transactions").notNull(),
    deletionId: uuid("deletion_id").notNull(),
  },
  () => [check("check_history_floor_one_row", sql`is_only`)],
);
