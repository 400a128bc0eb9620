import type { AuditClientError } from "./errors.ts";

const PAUSE_MS = 100;
/** While somebody waits for the answer. */
export const PAUSE_SHORT_MAX_MS = 1_000;
export const PAUSE_LONG_MAX_MS = 30_000;

/**
 * How long to wait before trying again, after so many failures in a row: it doubles up to `maxMs`, half of it is chance,
 * and the service's own Retry-After counts, up to 30 s.
 */
export function pauseMs(failures: number, { retryAfterMs }: AuditClientError, maxMs: number): number {
  const full = Math.min(maxMs, PAUSE_MS * 2 ** (failures - 1));
  return Math.max(full / 2, Math.min(retryAfterMs, PAUSE_LONG_MAX_MS)) + (Math.random() * full) / 2;
}

/** Resolves when a promise does, after `ms` at the latest. */
export const atMost = (ms: number, awaited: Promise<unknown>): Promise<void> =>
  new Promise((resolve) => void inTime(ms, awaited, resolve).then(() => resolve()));

/** Waits for a promise that does not fail, and calls `late` once that takes longer than `ms`. */
export async function inTime<T>(ms: number, awaited: Promise<T>, late: () => void): Promise<T> {
  const timer = setTimeout(late, ms);
  const result = await awaited;
  clearTimeout(timer);
  return result;
}
