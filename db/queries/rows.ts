import { sql, type SQL } from "drizzle-orm";
import type { Db } from "../client.ts";

/**
 * Rows of a statement written in SQL. The type is the statement's promise: it names its columns and casts them, and a
 * test runs it. Times come as text with microseconds, so that a cursor loses nothing.
 */
export async function rows<T>(db: Db, statement: SQL): Promise<T[]> {
  const result = await db.execute(statement);
  return result.rows as T[];
}

/** SQL: a time as text in UTC, with its microseconds. */
export const timeText = (time: SQL): SQL<string> => sql<string>`(${time} at time zone 'UTC')::text || '+00'`;

/** Postgres' text for a time as ISO 8601 in UTC with milliseconds. */
export function isoTime(text: string): string {
  return new Date(text).toISOString();
}

export const isoTimeOrNull = (text: string | null) => (text === null ? null : isoTime(text));

/** Says who asks, until the transaction ends: triggers that log changes write it down. */
export async function setActor(
  tx: Db,
  { userId, requestId }: { userId: string; requestId: string },
): Promise<void> {
  await tx.execute(
    sql`select set_config('app.user_id', ${userId}, true), set_config('app.request_id', ${requestId}, true)`,
  );
}

/** A call that knows who asks, in one statement, which commits at once: CASE is what says the one before the other. */
export const asActor = ({ userId, requestId }: { userId: string; requestId: string }, call: SQL): SQL => sql`
  case when concat(
    set_config('app.user_id', ${userId}, true), set_config('app.request_id', ${requestId}, true)
  ) is not null then ${call} end`;

/** The database's own clock, for a column that is set. */
export const sqlNow: SQL = sql`clock_timestamp()`;

/** So many seconds ago, by that clock. */
export const secondsAgo = (seconds: number): SQL => sql`${sqlNow} - make_interval(secs => ${seconds})`;
