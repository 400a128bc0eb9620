import { sql } from "drizzle-orm";
import { check, jsonb, text, uuid } from "drizzle-orm/pg-core";
import { audit, createdAt, instant } from "./common.ts";

/** What happened in a week, as it was counted on the Monday after; it does not change later. */
export const weeklyReports = audit.table(
  "weekly_reports",
  {
    week: text("week").primaryKey(),
    id: uuid("id")
      .notNull()
      .default(sql`audit.uuid_v7()`),
    startsAt: instant("starts_at").notNull(),
    endsAt: instant("ends_at").notNull(),
    figures: jsonb("figures").notNull(),
    createdAt: createdAt(),
    mailedAt: instant("mailed_at"),
  },
  () => [check("check_report_week", sql`week ~ '^\\d{4}-W\\d{2}$'`)],
);
