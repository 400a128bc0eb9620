import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";

export interface TrackOptions {
  exclude: string[];
  redact: string[];
  ignore: string[];
  onError: "block" | "warn";
}

const list = (names: string[]) => sql`${`{${names.map((name) => JSON.stringify(name)).join(",")}}`}::text[]`;

/** Begins to record a table's changes, as its owner; returns how many relations that covers. */
export async function trackTable(db: Db, table: string, options: TrackOptions): Promise<number> {
  const { exclude, redact, ignore, onError } = options;
  const [row] = await rows<{ count: number }>(
    db,
    sql`select audit.track(${table}::regclass, ${list(exclude)}, ${list(redact)}, ${list(ignore)}, ${onError}) as count`,
  );
  return row?.count ?? 0;
}

/** Ends it, as the owner; returns how many relations it covered. */
export async function untrackTable(db: Db, table: string): Promise<number> {
  const [row] = await rows<{ count: number }>(db, sql`select audit.untrack(${table}::regclass) as count`);
  return row?.count ?? 0;
}

/** The kill switch of all tracked tables, as the admin; returns how many relations changed. */
export async function switchCapture(db: Db, on: boolean): Promise<number> {
  const [row] = await rows<{ count: number }>(db, sql`select audit.switch_capture(${on}) as count`);
  return row?.count ?? 0;
}
