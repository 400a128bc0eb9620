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

export const notFound = (what: string) =>
  new ServiceError("not_found", `There is no ${what} with this id that this key may see.`);

/** One wrong field, named. */
export const invalidField = (path: string, code: string, message: string) =>
  new ServiceError("invalid_request", `${path}: ${message}`, { errors: [{ path, code, message }] });
