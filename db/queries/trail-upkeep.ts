import { sql, type SQL } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";

/** Counts up to `limit` new or changed trails of closed 15-minute buckets; returns how many. */
export const rollUpTrails = (db: Db, limit: number) => count(db, sql`audit.roll_up_trails(${limit}::int)`);

/** Deletes up to `limit` trails past their project's retention, never one that is held or not rolled up; returns how many. */
export const deleteDueTrails = (db: Db, limit: number) =>
  count(db, sql`audit.delete_due_trails(${limit}::int)`);

/** Deletes up to `limit` trails of deleted projects that are not held, and each project once it has none; returns how many trails. */
export const deleteTrailsOfDeletedProjects = (db: Db, limit: number) =>
  count(db, sql`audit.delete_trails_of_deleted_projects(${limit}::int)`);

async function count(db: Db, call: SQL): Promise<number> {
  const [row] = await rows<{ count: number }>(db, sql`select ${call}::int as count`);
  return row?.count ?? 0;
}
