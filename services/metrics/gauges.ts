import type { DatabaseFigures } from "../../db/queries/metrics.ts";
import type { GaugeReading } from "../../lib/metrics.ts";

const SEVERITIES = ["warning", "critical"] as const;

type Value = GaugeReading["values"][number];

/**
 * The database's figures as gauges; of one that did not answer only that. Where no schedule runs (`quiet`, or a branch
 * of the database) none is late. Names, units and what to alarm on: docs/METRICS.md.
 */
export function toGauges(figures: DatabaseFigures | null, quiet: boolean): GaugeReading[] {
  const up = gauge("afterimage_database_up", "Whether the database answered (1) or not (0).", [
    { value: figures === null ? 0 : 1 },
  ]);
  if (figures === null) return [up];
  return [up, ...waiting(figures), ...jobs(figures, quiet), ...partitions(figures), ...alerts(figures)];
}

/** A trail may be dated ahead by its caller; it waits for the roll-up no less than none does. */
const orZero = (seconds: number | null) => Math.max(0, seconds ?? 0);

const gauge = (name: string, help: string, values: Value[]): GaugeReading => ({ name, help, values });

function waiting(figures: DatabaseFigures): GaugeReading[] {
  return [
    gauge("afterimage_workflow_requests_waiting", "Workflow requests that no workflow has picked up.", [
      { value: figures.requestsWaiting },
    ]),
    gauge("afterimage_workflow_request_oldest_seconds", "Age of the oldest of them; 0 when none waits.", [
      { value: orZero(figures.oldestRequestSeconds) },
    ]),
    gauge(
      "afterimage_trails_rollup_oldest_seconds",
      "Time since the oldest trail that the roll-up has not counted yet; 0 when there is none.",
      [{ value: orZero(figures.oldestDueTrailSeconds) }],
    ),
  ];
}

function jobs({ jobs, isBranch }: DatabaseFigures, quiet: boolean): GaugeReading[] {
  const isAwake = !quiet && !isBranch;
  const each = (read: (job: (typeof jobs)[number]) => number | null): Value[] =>
    jobs.flatMap((job) => {
      const value = read(job);
      return value === null ? [] : [{ labels: { job: job.jobId }, value }];
    });
  return [
    gauge(
      "afterimage_job_seconds_since_success",
      "Time since a schedule's last success; absent before the first.",
      each((job) => job.secondsSinceSuccess),
    ),
    gauge(
      "afterimage_job_late",
      "Whether a schedule has had no success for longer than it may (1).",
      each((job) => Number(job.isLate && isAwake)),
    ),
    gauge(
      "afterimage_job_paused",
      "Whether somebody has paused a schedule (1).",
      each((job) => Number(job.isPaused)),
    ),
    gauge(
      "afterimage_job_running_seconds",
      "How long a schedule's run has been running; 0 when none runs.",
      each((job) => orZero(job.runningSeconds)),
    ),
  ];
}

function partitions(figures: DatabaseFigures): GaugeReading[] {
  const each = (read: (table: DatabaseFigures["partitions"][number]) => number): Value[] =>
    figures.partitions.map((one) => ({ labels: { table: one.tableName }, value: read(one) }));
  return [
    gauge(
      "afterimage_partition_months_ahead",
      "Months after this one that a table has a partition for, without a gap.",
      each((one) => one.monthsAhead),
    ),
    gauge(
      "afterimage_partition_covers_now",
      "Whether a table has a partition for this moment (1).",
      each((one) => Number(one.coversNow)),
    ),
  ];
}

function alerts(figures: DatabaseFigures): GaugeReading[] {
  return [
    gauge(
      "afterimage_alerts_open",
      "Alerts that are not resolved.",
      SEVERITIES.map((severity) => ({ labels: { severity }, value: figures.openAlerts[severity] ?? 0 })),
    ),
    gauge("afterimage_notifications_undelivered", "Messages about alerts that are still to be delivered.", [
      { value: figures.undelivered },
    ]),
  ];
}
