const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Inngest's own schedule, the last entry repeating; each wait gets up to JITTER_MS on top. */
export const BACKOFF_MS: readonly number[] = [
  15 * SECOND_MS,
  30 * SECOND_MS,
  1 * MINUTE_MS,
  2 * MINUTE_MS,
  5 * MINUTE_MS,
  10 * MINUTE_MS,
  20 * MINUTE_MS,
  40 * MINUTE_MS,
  1 * HOUR_MS,
  2 * HOUR_MS,
];
const JITTER_MS = 30 * SECOND_MS;

export type Backoff = (attempt: number) => number;

/**
 * How long to wait, in milliseconds, after attempt number `attempt` (from 0) failed. A schedule given by
 * the caller is used as it is, its last entry repeating; without one, Inngest's with its jitter.
 */
export function backoff(scheduleMs?: readonly number[]): Backoff {
  const table = scheduleMs ?? BACKOFF_MS;
  return (attempt) => {
    const wait = table[Math.min(attempt, table.length - 1)] ?? 0;
    return scheduleMs ? wait : wait + Math.random() * JITTER_MS;
  };
}
