/** Why a request or a write failed. */
export class AuditClientError extends Error {
  override name = "AuditClientError";
  /** The service's own code (`not_found`, `conflict` …), or unreachable, timeout, bad_answer, queue_full, closed, exit. */
  readonly code: string;
  /** Undefined when there was no answer. */
  readonly status: number | undefined;
  readonly retryAfterMs: number;

  constructor(
    code: string,
    message: string,
    more: { status?: number; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, more);
    this.code = code;
    this.status = more.status;
    this.retryAfterMs = more.retryAfterMs ?? 0;
  }

  /** Whether the same request may succeed later. */
  get isTransient(): boolean {
    if (this.code === "request_running") return true;
    const { status } = this;
    return status === undefined || status >= 500 || status === 408 || status === 425 || status === 429;
  }

  /** Whether the request may have been carried out although no answer says so. */
  get isUncertain(): boolean {
    return this.isTransient && this.status !== 429;
  }
}
