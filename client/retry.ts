import type { AuditClientError } from "./errors.ts";

const PAUSE_MS = 100;
const PAUSE_SHORT_MAX_MS = 1_000;
const PAUSE_LONG_MAX_MS = 30_000;

/**
 * How long to wait before trying again, after so many failures in a row: it doubles, half of it is chance, and the
 * service's own Retry-After counts. Someone who `waits` for the answer is not kept for longer than 1 s.
 */
export function pauseMs(failures: number, { retryAfterMs }: AuditClientError, waits: boolean): number {
  const max = waits ? PAUSE_SHORT_MAX_MS : PAUSE_LONG_MAX_MS;
  const full = Math.min(max, PAUSE_MS * 2 ** Math.min(failures - 1, 16));
  return Math.min(max, Math.max(full / 2, retryAfterMs) + (Math.random() * full) / 2);
}

/** Resolves after so many milliseconds; `cancel` ends the timer, and the promise stays open. */
export function sleep(ms: number): Promise<void> & { cancel(): void } {
  let timer: ReturnType<typeof setTimeout>;
  const promise = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return Object.assign(promise, { cancel: () => clearTimeout(timer) });
}
