import { sql } from "drizzle-orm";
import { boolean, check, index, integer, text, uuid } from "drizzle-orm/pg-core";
import { audit, createdAt, instant } from "./common.ts";

/** How long the events of a workspace stay where, counted from their created_at; without a row the defaults hold. */
export const auditRetentionPolicies = audit.table(
  "audit_retention_policies",
  {
    workspaceId: text("workspace_id").primaryKey(),
    hotRetentionDays: integer("hot_retention_days").notNull().default(90),
    warmArchiveDays: integer("warm_archive_days").notNull().default(365),
    coldRetentionDays: integer("cold_retention_days").notNull().default(2_555),
    isComplianceMode: boolean("is_compliance_mode").notNull().default(false),
    complianceReason: text("compliance_reason"),
    createdAt: createdAt(),
    updatedAt: instant("updated_at")
      .notNull()
      .default(sql`clock_timestamp()`),
    updatedByUserId: text("updated_by_user_id"),
  },
  () => [
    check(
      "check_retention_days",
      sql`hot_retention_days >= 1 and hot_retention_days < warm_archive_days and warm_archive_days < cold_retention_days and cold_retention_days <= 36500`,
    ),
    check(
      "check_compliance_reason",
      sql`compliance_reason is null or (btrim(compliance_reason) <> '' and length(compliance_reason) <= 1000)`,
    ),
  ],
);

/** What may not be deleted until the hold is released: all that is named has to fit, what is null fits everything. */
export const legalHolds = audit.table(
  "legal_holds",
  {
    id: uuid("id")
      .primaryKey()
      .default(sql`audit.uuid_v7()`),
    workspaceId: text("workspace_id"),
    resourceType: text("resource_type"),
    resourceId: text("resource_id"),
    subjectUserId: text("subject_user_id"),
    reason: text("reason").notNull(),
    placedByUserId: text("placed_by_user_id").notNull(),
    placedAt: instant("placed_at")
      .notNull()
      .default(sql`clock_timestamp()`),
    releasedByUserId: text("released_by_user_id"),
    releasedAt: instant("released_at"),
    releaseReason: text("release_reason"),
  },
  (t) => [
    index("legal_holds_active")
      .on(t.workspaceId)
      .where(sql`released_at is null`),
    check(
      "check_hold_names_something",
      sql`coalesce(workspace_id, resource_type, subject_user_id) is not null`,
    ),
    check("check_hold_resource", sql`resource_id is null or resource_type is not null`),
    check("check_hold_reason", sql`btrim(reason) <> ''`),
    check("check_hold_release", sql`(released_at is null) = (released_by_user_id is null)`),
  ],
);
