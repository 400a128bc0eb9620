import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";

/** Whether this database is a branch, or a restored copy, of the one that is at home elsewhere. */
export async function isBranch(db: Db): Promise<boolean> {
  const [row] = await rows<{ isBranch: boolean }>(db, sql`select audit.is_branch() as "isBranch"`);
  return row?.isBranch ?? false;
}
