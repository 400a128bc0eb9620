const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;
const DAY_S = 24 * HOUR_S;

/**
 * The workflows that run by the clock (UTC). `lateAfterSeconds` is the dead-man's switch: without a success for that
 * long, `/ready` and an alert name the schedule. It leaves room for one missed tick and its retries.
 */
export const schedules = [
  { id: "trail-rollup", cron: "7 * * * *", lateAfterSeconds: 2 * HOUR_S + 30 * MINUTE_S },
  { id: "trail-cleanup", cron: "0 2 * * *", lateAfterSeconds: DAY_S + 2 * HOUR_S },
  { id: "archive-events", cron: "0 2 * * *", lateAfterSeconds: DAY_S + 2 * HOUR_S },
  { id: "retention-cleanup", cron: "0 3 * * *", lateAfterSeconds: DAY_S + 2 * HOUR_S },
  { id: "history-cleanup", cron: "30 3 * * *", lateAfterSeconds: DAY_S + 2 * HOUR_S },
  { id: "weekly-report", cron: "0 4 * * 1", lateAfterSeconds: 7 * DAY_S + 2 * HOUR_S },
  { id: "create-partitions", cron: "0 1 * * *", lateAfterSeconds: DAY_S + 2 * HOUR_S },
  { id: "purge-cold", cron: "0 3 1 * *", lateAfterSeconds: 32 * DAY_S },
  { id: "watch-schedules", cron: "*/15 * * * *", lateAfterSeconds: HOUR_S },
] as const;

export type ScheduleId = (typeof schedules)[number]["id"];
