import type { ErrorCode, FieldError, ServiceError } from "../../services/errors.ts";

/** The one map from what went wrong to how HTTP says it. */
const problems = {
  invalid_request: [400, "The request is not valid"],
  invalid_cursor: [400, "The cursor is not valid here"],
  unauthenticated: [401, "No valid API key"],
  forbidden: [403, "The key may not do this"],
  not_found: [404, "Not found"],
  method_not_allowed: [405, "Method not allowed"],
  conflict: [409, "In conflict with what is stored"],
  request_running: [409, "The same request is still running"],
  payload_too_large: [413, "The body is too large"],
  unsupported_media_type: [415, "The body must be JSON"],
  idempotency_key_reused: [422, "The idempotency key was used for another request"],
  not_a_member: [422, "The user is not a member of the workspace"],
  rate_limited: [429, "Too many requests"],
  internal: [500, "Something went wrong here"],
  archive_damaged: [500, "A file of the archive cannot be read"],
  unavailable: [503, "Not available right now"],
} as const satisfies Record<ErrorCode, readonly [number, string]>;

/** Every code with its status and its title, as the documentation lists them. */
export const problemCodes = Object.entries(problems).map(([code, [status, title]]) => ({
  code: code as ErrorCode,
  status,
  title,
}));

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  requestId: string;
  errors: FieldError[];
}

/** An RFC 9457 problem document as a response. */
export function problemResponse(error: ServiceError, requestId: string): Response {
  const [status, title] = problems[error.code];
  const body: Problem = {
    type: `urn:afterimage:problem:${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    requestId,
    errors: error.errors,
  };
  const headers: Record<string, string> = {
    "content-type": "application/problem+json",
    "x-request-id": requestId,
  };
  if (error.retryAfterSeconds !== undefined) headers["retry-after"] = String(error.retryAfterSeconds);
  if (error.code === "unauthenticated") headers["www-authenticate"] = 'Bearer realm="afterimage"';
  return new Response(JSON.stringify(body), { status, headers });
}
