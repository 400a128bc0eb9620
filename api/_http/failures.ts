import { ServiceError } from "../../services/errors.ts";

const RETRY_AFTER_S = 2;
const CAUSES_MAX = 5;

// The server is away, starting, stopping, full, or it ended the statement to protect itself.
const AWAY_SQLSTATE = /^(08...|53...|57P0.|57014|55P03|40001|40P01|25006)$/;
const AWAY_SYSTEM = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ETIMEDOUT",
  "EPIPE",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ENETUNREACH",
]);
const AWAY_MESSAGE =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Client was closed)/;

/** What a caught error means to a caller: a refusal as it is, a database that is away as 503, the rest as 500. */
export function toServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  for (
    let cause = error, depth = 0;
    cause instanceof Error && depth < CAUSES_MAX;
    cause = cause.cause, depth++
  ) {
    if (cause instanceof ServiceError) return cause;
    if (isAway(cause)) {
      const detail =
        "The database did not answer. Send the same request again, with the same Idempotency-Key if it had one.";
      return new ServiceError("unavailable", detail, { retryAfterSeconds: RETRY_AFTER_S });
    }
  }
  return new ServiceError(
    "internal",
    "The request failed for a reason that is not yours. Report the requestId if it happens again.",
  );
}

function isAway(error: Error): boolean {
  const code = (error as { code?: unknown }).code;
  if (typeof code === "string" && (AWAY_SQLSTATE.test(code) || AWAY_SYSTEM.has(code))) return true;
  if (error instanceof AggregateError) return error.errors.some((one) => one instanceof Error && isAway(one));
  return AWAY_MESSAGE.test(error.message);
}
