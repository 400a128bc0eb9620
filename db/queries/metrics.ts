import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { jobSchedules as s } from "../schema/index.ts";
import { isLate } from "./jobs.ts";
import { rows } from "./rows.ts";

/** Nobody needs to know more exactly how much is wrong. */
const COUNT_MAX = 100_000;
/** A run by hand may be asked for while another runs, so the one that runs need not be the newest. */
const RUNS_MAX = 20;

interface JobFigures {
  jobId: string;
  /** Null: never. */
  secondsSinceSuccess: number | null;
  isLate: boolean;
  isPaused: boolean;
  /** Of the run that began first; null when none runs. */
  runningSeconds: number | null;
}

/** Counts stop at 100,000. Ages are in seconds: null of nothing, below 0 of what is dated ahead. */
export interface DatabaseFigures {
  isBranch: boolean;
  requestsWaiting: number;
  oldestRequestSeconds: number | null;
  oldestDueTrailSeconds: number | null;
  undelivered: number;
  openAlerts: Record<string, number>;
  jobs: JobFigures[];
  partitions: { tableName: string; monthsAhead: number; coversNow: boolean }[];
}

const secondsSince = (time: string) => sql.raw(`extract(epoch from clock_timestamp() - ${time})::float8`);

/** All that operators are shown of the database, in one statement that reads small tables and ends of indexes only. */
export async function databaseFigures(db: Db): Promise<DatabaseFigures> {
  const [row] = await rows<DatabaseFigures>(
    db,
    sql`
      select
        audit.is_branch() as "isBranch",
        (
          select count(*)::int
          from (select from audit.workflow_requests where picked_up_at is null limit ${COUNT_MAX}) w
        ) as "requestsWaiting",
        (
          select ${secondsSince("min(created_at)")}
          from audit.workflow_requests
          where picked_up_at is null
        ) as "oldestRequestSeconds",
        (
          select ${secondsSince('min("timestamp")')}
          from audit.audit_trails
          where rollup_due
        ) as "oldestDueTrailSeconds",
        (
          select count(*)::int
          from (
            select
            from audit.alert_notifications
            where delivered_at is null and given_up_at is null
            limit ${COUNT_MAX}
          ) n
        ) as "undelivered",
        (
          select coalesce(jsonb_object_agg(severity, count), '{}')
          from (select severity, count(*) from audit.alerts where resolved_at is null group by severity) a
        ) as "openAlerts",
        (
          select coalesce(jsonb_agg(jsonb_build_object(
            'jobId', ${s.jobId},
            'secondsSinceSuccess', ${secondsSince("job_schedules.last_success_at")},
            'isLate', ${isLate},
            'isPaused', ${s.pausedAt} is not null,
            'runningSeconds', running.seconds
          ) order by ${s.jobId}), '[]')
          from ${s}
          cross join lateral (
            select ${secondsSince("min(r.started_at)")} as seconds
            from (
              select status, started_at
              from audit.job_runs
              where job_id = ${s.jobId}
              order by created_at desc
              limit ${RUNS_MAX}
            ) r
            where r.status = 'running'
          ) running
        ) as "jobs",
        (
          select coalesce(jsonb_agg(jsonb_build_object(
            'tableName', table_name, 'monthsAhead', months_ahead, 'coversNow', covers_now
          ) order by table_name), '[]')
          from audit.partition_schedule
        ) as "partitions"`,
  );
  return row as DatabaseFigures;
}
