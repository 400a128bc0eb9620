import { boolean, check, text, uuid } from "drizzle-orm/pg-core";
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

/** Names this installation where it shares a place with others, as in the storage of cold files; one row. */
export const installation = audit.table(
  "installation",
  {
    isOne: boolean("is_one").primaryKey().default(true),
    id: uuid("id").notNull().defaultRandom(),
  },
  () => [check("check_installation_one_row", sql`is_one`)],
);
