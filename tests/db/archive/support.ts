import type pg from "pg";
import type { Role, TestDatabase } from "../../support/database.ts";
import { autovacuumEnded } from "../../support/waits.ts";
import { month, one, withClient } from "../helpers.ts";

export interface OldEvents {
  workspace: string;
  /** Days ago, of the newest; the others lie a second apart before it. */
  daysAgo?: number;
  /** Or the month so many months from now, from its second day on. */
  month?: number;
  count?: number;
  more?: string;
}

/** Stores events as they were stored long ago: as the keeper, whom alone the guards let write in the past. */
export async function storeOldEvents(
  db: TestDatabase,
  { workspace, daysAgo, month: offset = 0, count = 1 }: OldEvents,
): Promise<string[]> {
  const at =
    daysAgo === undefined
      ? `timestamptz '${firstOf(offset)} 00:00:00+00' + interval '1 day'`
      : `clock_timestamp() - interval '${daysAgo} days'`;
  return withClient(db, "superuser", async (client) => {
    await client.query("set timezone = 'UTC'");
    await client.query(`select audit.add_month_partition('audit_events', (${at})::date)`);
    await client.query("set role audit_keeper");
    const { rows } = await client.query<{ id: string }>(
      `insert into audit.audit_events
         (id, created_at, workspace_id, created_by_user_id, action_type, resource_type, resource_id, new_values)
       select audit.uuid_v7(), ${at} - make_interval(secs => n), $1, 'u-' || n % 3, 'TEST', 'thing', 't-' || n % 5,
         jsonb_build_object('n', n)
       from generate_series(1, $2::int) n
       returning id`,
      [workspace, count],
    );
    await client.query("select audit.ensure_retention_policy($1)", [workspace]);
    return rows.map((row) => row.id);
  });
}

/** The first day of the month so many months from now: 2026-01-01. */
export const firstOf = (offset: number) => `${month(offset).replace("_", "-")}-01`;

/** Where a workspace's events lie, by id; those that tell of its policy are left out. */
export async function whereabouts(
  db: TestDatabase,
  workspace: string,
): Promise<{ hot: string[]; archived: string[] }> {
  const { hot, archived } = await one<{ hot: string[]; archived: string[] }>(
    db.pool("superuser"),
    `select array(select id::text from audit.audit_events where workspace_id = $1 and resource_type <> 'retention_policy' order by 1) as hot,
       array(select id::text from audit.audit_events_archive where workspace_id = $1 order by 1) as archived`,
    [workspace],
  );
  return { hot, archived };
}

export const setPolicy = (db: TestDatabase, workspace: string, hotDays: number) =>
  db.rows(
    "admin",
    `insert into audit.audit_retention_policies (workspace_id, hot_retention_days, warm_archive_days, cold_retention_days)
     values ($1, $2, $2 + 1000, $2 + 5000)
     on conflict (workspace_id) do update set hot_retention_days = excluded.hot_retention_days,
       warm_archive_days = excluded.warm_archive_days, cold_retention_days = excluded.cold_retention_days`,
    [workspace, hotDays],
  );

export interface Planned {
  month: string;
  kind: "month" | "rows";
  merge: string | null;
}

export const plan = (db: TestDatabase, rowsAlone = 10_000) =>
  db.rows<Planned & pg.QueryResultRow>(
    "worker",
    "select month::text, kind, merge from archive_plan($1) order by month",
    [rowsAlone],
  );

export async function archiveMonth(db: TestDatabase, offset: number, role: Role = "worker"): Promise<string> {
  const { state } = await one<{ state: string }>(db.pool(role), "select archive_month($1) as state", [
    firstOf(offset),
  ]);
  return state;
}

export async function archiveRows(
  db: TestDatabase,
  offset: number,
  how: string,
  limit = 5_000,
): Promise<number> {
  const { moved } = await one<{ moved: number }>(
    db.pool("worker"),
    "select archive_rows($1, $2, $3) as moved",
    [firstOf(offset), how, limit],
  );
  return moved;
}

/** What autovacuum does within minutes. */
export async function vacuum(db: TestDatabase): Promise<void> {
  await autovacuumEnded(db);
  await db.rows("superuser", "vacuum audit.audit_events, audit.audit_events_archive");
}

/** Carries out what is planned, as the workflow does in two nights: what rows have left goes in the second. */
export async function archiveAll(db: TestDatabase, limit = 5_000): Promise<void> {
  await archiveOnce(db, limit);
  await vacuum(db);
  await archiveOnce(db, limit);
}

async function archiveOnce(db: TestDatabase, limit: number): Promise<void> {
  for (const { month: day, kind, merge } of await plan(db)) {
    const call = async (sql: string, values: unknown[]) =>
      one<{ answer: number | string }>(db.pool("worker"), sql, values);
    if (kind === "rows" || merge !== null) {
      const rows = "select archive_rows($1, $2, $3) as answer";
      while ((await call(rows, [day, merge ?? "due", limit])).answer !== 0);
    }
    if (kind === "month") await call("select archive_month($1) as answer", [day]);
  }
}
