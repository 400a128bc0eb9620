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

const CAUSES_MAX = 5;
const FRAMES_MAX = 8;

/** What may be logged of an error: its kind, its codes and where in our code it arose. */
export function safeError(error: unknown, causesMax = CAUSES_MAX): Record<string, unknown> {
  if (!(error instanceof Error)) return { name: typeof error };
  const { code, constraint, table, routine } = error as Error & Record<string, unknown>;
  const cause =
    error.cause === undefined || causesMax === 0 ? undefined : safeError(error.cause, causesMax - 1);
  return { name: error.name, code, constraint, table, routine, frames: framesOf(error), cause };
}

// The stack begins with the message, and a message can hold lines that look like frames.
function framesOf({ message, stack = "" }: Error): string[] {
  const start = stack.indexOf(message);
  if (start < 0) return [];
  return stack
    .slice(start + message.length)
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .slice(0, FRAMES_MAX)
    .map((line) => line.trim());
}
