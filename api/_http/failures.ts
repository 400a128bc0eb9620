import { causesOf } from "../../lib/causes.ts";
import {
  CHECK_VIOLATION,
  DEADLOCK_DETECTED,
  LOCK_NOT_AVAILABLE,
  QUERY_CANCELED,
  SERIALIZATION_FAILURE,
} from "../../lib/sqlstate.ts";
import { ServiceError } from "../../services/errors.ts";

const RETRY_AFTER_S = 2;

// The server is away, starting, stopping, full or read-only, or has ended a session that stood idle in a transaction.
const AWAY_SQLSTATE = /^(08...|53...|57P0.|25006|25P03)$/;
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

const AWAY =
  "The database did not answer. Send the same request again, with the same Idempotency-Key if it had one.";

// The server is there and gave up this statement; what helps depends on why.
const GIVEN_UP: Record<string, string> = {
  [QUERY_CANCELED]:
    "The request took longer than the database may work on it. Narrow the query: name a workspace, a shorter time between from and to, or leave out text and includeTotal. A write may be sent again as it is.",
  [LOCK_NOT_AVAILABLE]:
    "Another change holds what this request needs. Send the same request again in a moment.",
  [SERIALIZATION_FAILURE]: "Another change came in between. Send the same request again.",
  [DEADLOCK_DETECTED]: "Another change came in between. Send the same request again.",
};

// Every write is audited, so without a partition for this month nothing can be written at all.
const NO_PARTITION =
  "There is no partition for this month. An operator runs, as the admin: select audit.create_monthly_audit_partition()";
const NO_PARTITION_RETRY_AFTER_S = 60;

/** What a caught error means to a caller: a refusal as it is, a database that is away as 503, the rest as 500. */
export function toServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  for (const cause of causesOf(error)) {
    if (cause instanceof ServiceError) return cause;
    const detail = isAway(cause) ? AWAY : GIVEN_UP[codeOf(cause) ?? ""];
    if (detail !== undefined) {
      return new ServiceError("unavailable", detail, { retryAfterSeconds: RETRY_AFTER_S });
    }
    if (lacksPartition(cause)) {
      return new ServiceError("unavailable", NO_PARTITION, { retryAfterSeconds: NO_PARTITION_RETRY_AFTER_S });
    }
  }
  return new ServiceError(
    "internal",
    "The request failed for a reason that is not yours. Report the requestId if it happens again.",
  );
}

/** Postgres names no constraint when it finds no partition to put a row into. */
function lacksPartition(error: Error): boolean {
  const { constraint } = error as { constraint?: unknown };
  return codeOf(error) === CHECK_VIOLATION && constraint === undefined;
}

function codeOf(error: Error): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : undefined;
}

function isAway(error: Error): boolean {
  const code = codeOf(error);
  if (code !== undefined && (AWAY_SQLSTATE.test(code) || AWAY_SYSTEM.has(code))) return true;
  if (error instanceof AggregateError) return error.errors.some((one) => one instanceof Error && isAway(one));
  return AWAY_MESSAGE.test(error.message);
}
