import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";

export interface TrackOptions {
  exclude: string[];
  redact: string[];
  ignore: string[];
  onError: "block" | "warn";
  /** Which workspace events a change also writes, as `audit.check_as_events()` wants it; null for none. */
  asEvents: unknown;
}

const list = (names: string[]) => sql`${`{${names.map((name) => JSON.stringify(name)).join(",")}}`}::text[]`;

/** Begins to record a table's changes, as its owner; returns how many relations that covers. */
export async function trackTable(db: Db, table: string, options: TrackOptions): Promise<number> {
  const { exclude, redact, ignore, onError, asEvents } = options;
  const events = asEvents === null ? null : JSON.stringify(asEvents);
  const [row] = await rows<{ count: number }>(
    db,
    sql`select audit.track(${table}::regclass, ${list(exclude)}, ${list(redact)}, ${list(ignore)}, ${onError}, ${events}::jsonb) as count`,
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

/**
 * The columns of those of these tables (`schema.name`) that are tracked, by table: those whose values the history holds,
 * so neither the excluded nor the redacted.
 */
export async function trackedColumns(db: Db, tables: readonly string[]): Promise<Map<string, string[]>> {
  const found = await rows<{ name: string; columns: string[] }>(
    db,
    sql`
      select n.nspname || '.' || c.relname as name, array_agg(a.attname::text order by a.attnum) as columns
      from audit.tracked_tables t
      join pg_catalog.pg_class c on c.oid = t.relation
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where n.nspname || '.' || c.relname in (select jsonb_array_elements_text(${JSON.stringify(tables)}::jsonb))
        and a.attnum <> all (t.excluded_columns) and a.attnum <> all (t.redacted_columns)
      group by 1`,
  );
  return new Map(found.map(({ name, columns }) => [name, columns]));
}
