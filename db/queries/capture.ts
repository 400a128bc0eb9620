import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows, secondsAgo } from "./rows.ts";

export interface CaptureProblem {
  relation: string;
  problem: "triggers" | "partition" | "stale" | "policy" | "gone";
  action: string;
}

/** Tracked relations whose changes are not, or not quite, recorded. */
export async function captureProblems(db: Db): Promise<CaptureProblem[]> {
  return rows(db, sql`select relation, problem, action from audit.capture_problems() order by 1, 2`);
}

export interface UnrecordedTable {
  /** As `schema.name`. */
  table: string;
  /** ISO 8601. */
  since: string;
}

/** Tracked tables whose recording is switched off, and since when. */
export async function switchedOffTables(db: Db): Promise<UnrecordedTable[]> {
  return rows(
    db,
    sql`
      select t.table_schema || '.' || t.table_name as "table",
        to_char(min(coalesce(g.began_at, t.tracked_at)) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as since
      from audit.tracked_tables t
      left join audit.capture_gaps g on g.relation = t.relation and g.reason = 'off' and g.ended_at is null
      where not t.is_on
      group by 1
      order by 1`,
  );
}

/** Tables of which a change could not be recorded within the last `seconds`, and since when. */
export async function failingTables(db: Db, seconds: number): Promise<UnrecordedTable[]> {
  return rows(
    db,
    sql`
      select table_schema || '.' || table_name as "table",
        to_char(min(began_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as since
      from audit.capture_gaps
      where reason = 'error' and began_at > ${secondsAgo(seconds)}
      group by 1
      order by 1`,
  );
}
