import { pino, type Logger } from "pino";

export type { Logger };

/**
 * One JSON line per entry on standard output. Lines hold our own ids, route patterns, codes and times, never anything
 * that a caller sent: no header, no field, no URL, no message of a database error (those quote values).
 */
export function createLogger(level: string, destination?: { write(line: string): void }): Logger {
  const options = { level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` };
  return destination ? pino(options, destination) : pino(options);
}

/** What may be logged of an error: its kind, its codes and where in our code it arose. */
export function safeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { name: typeof error };
  const { code, constraint, table, routine } = error as Error & Record<string, unknown>;
  const frames = (error.stack ?? "")
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 8)
    .map((line) => line.trim());
  const cause = error.cause === undefined ? undefined : safeError(error.cause);
  return { name: error.name, code, constraint, table, routine, frames, cause };
}
