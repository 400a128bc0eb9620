import { sql } from "drizzle-orm";
import { boolean, check, index, jsonb, text, uuid } from "drizzle-orm/pg-core";
import { audit, instant } from "./common.ts";

/** Every removal, written before anything is removed. */
export const auditDeletionLog = audit.table(
  "audit_deletion_log",
  {
    id: uuid("id")
      .primaryKey()
      .default(sql`audit.uuid_v7()`),
    deletedAt: instant("deleted_at")
      .notNull()
      .default(sql`clock_timestamp()`),
    deletedByUserId: text("deleted_by_user_id").notNull(),
    subjectType: text("subject_type").notNull(),
    subjectId: text("subject_id").notNull(),
    deletionAuthority: text("deletion_authority"),
    deletionReason: text("deletion_reason"),
    approvalTicketId: text("approval_ticket_id"),
    isIrrevocable: boolean("is_irrevocable").notNull().default(true),
    details: jsonb("details").notNull().default({}),
  },
  (t) => [
    index("audit_deletion_log_deleted_at").on(t.deletedAt),
    index("audit_deletion_log_subject").on(t.subjectId, t.subjectType),
    check("check_deletion_subject_not_empty", sql`subject_type <> '' and subject_id <> ''`),
  ],
);
