import { boolean, check, text } from "drizzle-orm/pg-core";
import { sql } from "drizzle-orm";
import { audit, instant } from "./common.ts";

/** The Neon timeline that this database was migrated on first, in one row: a branch carries a copy, and another timeline. */
export const databaseHome = audit.table(
  "database_home",
  {
    isHome: boolean("is_home").primaryKey().default(true),
    timelineId: text("timeline_id").notNull(),
    notedAt: instant("noted_at")
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  () => [check("check_database_home_one_row", sql`is_home`)],
);
