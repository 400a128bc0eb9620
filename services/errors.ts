import { causesOf } from "../lib/causes.ts";

/** Everything that can be wrong with a request, by the name a caller's program can rely on. */
export type ErrorCode =
  | "invalid_request"
  | "invalid_cursor"
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "method_not_allowed"
  | "conflict"
  | "request_running"
  | "idempotency_key_reused"
  | "not_a_member"
  | "payload_too_large"
  | "unsupported_media_type"
  | "rate_limited"
  | "archive_damaged"
  | "unavailable"
  | "internal";

export interface FieldError {
  /** Where in the request: `body.events[3].actionType`, `query.limit`. */
  path: string;
  code: string;
  message: string;
}

/** A refusal. `detail` is for people: what is wrong and what to do next; it never quotes a secret. */
export class ServiceError extends Error {
  override name = "ServiceError";
  readonly code: ErrorCode;
  readonly errors: FieldError[];
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ErrorCode,
    detail: string,
    more: { errors?: FieldError[]; retryAfterSeconds?: number } = {},
  ) {
    super(detail);
    this.code = code;
    this.errors = more.errors ?? [];
    this.retryAfterSeconds = more.retryAfterSeconds;
  }
}

/** Not there, or not for this key; `paths` say where in the request it was named. */
export const notFound = (what: string, ...paths: string[]) => {
  const message = `There is no ${what} with this id that this key may see.`;
  return new ServiceError("not_found", message, {
    errors: paths.map((path) => ({ path, code: "not_found", message })),
  });
};

/** One wrong field, named. */
export const invalidField = (path: string, code: string, message: string) =>
  new ServiceError("invalid_request", `${path}: ${message}`, { errors: [{ path, code, message }] });

/** A step's error as the workflow engine may see it: a refusal's own words, or a kind and a code, never a value. */
export class StepFailure extends Error {
  override name = "StepFailure";

  constructor(error: unknown) {
    super(error instanceof ServiceError ? error.message : `The step failed: ${kindsOf(error).join(" ← ")}`);
  }
}

/** What an error and its causes are: a kind and a code each, never a value. */
export function kindsOf(error: unknown): string[] {
  const kinds = [...causesOf(error)].map((cause) => {
    const { code } = cause as { code?: unknown };
    return typeof code === "string" ? `${cause.name} ${code}` : cause.name;
  });
  return kinds.length > 0 ? kinds : [typeof error];
}
