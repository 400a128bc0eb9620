import { and, eq, gte, isNull, min, sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { weeklyReports as w } from "../schema/index.ts";
import { rows, sqlNow } from "./rows.ts";

export type WeeklyReportRow = typeof w.$inferSelect;

interface WeekFigures {
  events: number;
  byAction: { actionType: string; count: number }[];
  /** How many events the actions that are not listed have. */
  otherActions: number;
  byUser: { userId: string; count: number }[];
  security: {
    events: number;
    byAction: { actionType: string; count: number }[];
    latest: {
      id: string;
      createdAt: string;
      workspaceId: string;
      userId: string;
      actionType: string;
      resourceType: string;
      resourceId: string;
    }[];
  };
  byDay: { day: string; events: number; historyEntries: number }[];
  partitions: { table: string; partition: string; bytes: number }[];
}

interface WeekLimits {
  actions: number;
  users: number;
  security: number;
  partitions: number;
}

/** What happened between two times, erased events left out, and how large the partitions are now. One snapshot. */
export async function weekFigures(db: Db, from: Date, to: Date, limits: WeekLimits): Promise<WeekFigures> {
  const [start, end] = [from, to].map((time) => sql`${time.toISOString()}::timestamptz`);
  const [row] = await rows<{ figures: WeekFigures }>(
    db,
    sql`
      with counted as materialized (
        select e.action_type, e.created_by_user_id, (e.created_at at time zone 'UTC')::date as day, count(*) as count
        from audit.every_event e
        where e.created_at >= ${start} and e.created_at < ${end} and e.deleted_at is null
        group by 1, 2, 3
      ),
      actions as (
        select action_type, sum(count)::float8 as count, audit.is_security_action(action_type) as is_security
        from counted group by 1
      ),
      listed as (select * from actions order by count desc, action_type limit ${limits.actions}),
      entries as (
        select (l.created_at at time zone 'UTC')::date as day, count(*) as count
        from audit.audit_logs l
        where l.created_at >= ${start} and l.created_at < ${end}
        group by 1
      )
      select json_build_object(
        'events', (select coalesce(sum(count), 0)::float8 from counted),
        'byAction', (
          select coalesce(json_agg(json_build_object('actionType', action_type, 'count', count) order by count desc, action_type), '[]')
          from listed
        ),
        'otherActions', (select coalesce(sum(count), 0)::float8 from counted) - (select coalesce(sum(count), 0) from listed),
        'byUser', (
          select coalesce(json_agg(json_build_object('userId', u.id, 'count', u.count) order by u.count desc, u.id), '[]')
          from (
            select created_by_user_id as id, sum(count)::float8 as count
            from counted group by 1 order by 2 desc, 1 limit ${limits.users}
          ) u
        ),
        'security', json_build_object(
          'events', (select coalesce(sum(count), 0) from actions where is_security),
          'byAction', (
            select coalesce(json_agg(json_build_object('actionType', s.action_type, 'count', s.count) order by s.count desc, s.action_type), '[]')
            from (select * from actions where is_security order by count desc, action_type limit ${limits.actions}) s
          ),
          'latest', (
            select coalesce(json_agg(json_build_object(
              'id', s.id, 'createdAt', to_char(s.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
              'workspaceId', s.workspace_id, 'userId', s.created_by_user_id, 'actionType', s.action_type,
              'resourceType', s.resource_type, 'resourceId', s.resource_id
            ) order by s.created_at desc, s.id desc), '[]')
            from (
              select * from audit.vw_security_audit e
              where e.created_at >= ${start} and e.created_at < ${end}
              order by e.created_at desc, e.id desc limit ${limits.security}
            ) s
          )
        ),
        'byDay', (
          select json_agg(json_build_object(
            'day', d.day::text,
            'events', (select coalesce(sum(c.count), 0)::float8 from counted c where c.day = d.day),
            'historyEntries', coalesce((select n.count from entries n where n.day = d.day), 0)
          ) order by d.day)
          from (
            select s::date as day from generate_series(
              ${start} at time zone 'UTC', (${end} at time zone 'UTC') - interval '1 day', interval '1 day'
            ) s
          ) d
        ),
        'partitions', (
          select coalesce(json_agg(json_build_object('table', p.table_name, 'partition', p.partition_name, 'bytes', p.bytes)
            order by p.table_name, p.partition_name), '[]')
          from (
            select m.table_name, m.partition_name, pg_total_relation_size(format('audit.%I', m.partition_name)::regclass) as bytes
            from audit.month_partitions() m
            order by m.month_start desc, m.table_name limit ${limits.partitions}
          ) p
        )
      ) as figures`,
  );
  return (row as { figures: WeekFigures }).figures;
}

/** Stores a report, unless the week has one. */
export async function insertReport(db: Db, report: typeof w.$inferInsert): Promise<void> {
  await db.insert(w).values(report).onConflictDoNothing();
}

export async function findReport(db: Db, week: string): Promise<WeeklyReportRow | null> {
  const [row] = await db.select().from(w).where(eq(w.week, week));
  return row ?? null;
}

/** When the first week began that has a report, and which weeks from `from` on have one. */
export async function reportedWeeks(db: Db, from: Date): Promise<{ first: Date | null; weeks: Set<string> }> {
  const [row] = await db
    .select({
      first: min(w.startsAt),
      weeks: sql<string[]>`coalesce(json_agg(${w.week}) filter (where ${gte(w.startsAt, from)}), '[]')`,
    })
    .from(w);
  return { first: row?.first ?? null, weeks: new Set(row?.weeks) };
}

export async function noteMailed(db: Db, week: string): Promise<void> {
  await db
    .update(w)
    .set({ mailedAt: sqlNow })
    .where(and(eq(w.week, week), isNull(w.mailedAt)));
}
