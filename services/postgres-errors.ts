const CAUSES_MAX = 5;

export interface PostgresError extends Error {
  code: string;
  constraint?: string;
  column?: string;
  table?: string;
  detail?: string;
  hint?: string;
}

/** The Postgres error inside what a query threw (the query builder wraps it), or null. */
export function postgresError(error: unknown): PostgresError | null {
  for (
    let cause = error, depth = 0;
    cause instanceof Error && depth < CAUSES_MAX;
    cause = cause.cause, depth++
  ) {
    const code = (cause as { code?: unknown }).code;
    if (typeof code === "string" && /^[0-9A-Z]{5}$/.test(code)) return cause as PostgresError;
  }
  return null;
}
