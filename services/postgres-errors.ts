import { causesOf } from "../lib/causes.ts";

interface PostgresError extends Error {
  code: string;
  constraint?: string;
  column?: string;
  table?: string;
  detail?: string;
  hint?: string;
}

/** The Postgres error inside what a query threw (the query builder wraps it), or null. */
export function postgresError(error: unknown): PostgresError | null {
  for (const cause of causesOf(error)) {
    const { code } = cause as { code?: unknown };
    // Node's own EPIPE is no SQLSTATE: those that are raised have a digit.
    if (typeof code === "string" && /^(?=.*\d)[0-9A-Z]{5}$/.test(code)) return cause as PostgresError;
  }
  return null;
}

/** Whether Postgres refused with one of these codes (`lib/sqlstate.ts`). */
export const hasSqlstate = (error: unknown, ...codes: string[]): boolean =>
  codes.includes(postgresError(error)?.code ?? "");
