/** Why a request or a write failed. */
export class AuditClientError extends Error {
  override name = "AuditClientError";
  // Declared only: the constructor sets them, and a field costs bytes.
  /** The service's own code (`not_found`, `conflict` …), or unreachable, timeout, bad_answer, queue_full, closed, exit. */
  declare readonly code: string;
  /** Undefined when there was no answer. */
  declare readonly status: number | undefined;
  declare readonly retryAfterMs: number;

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
    const { code, status = 500 } = this;
    return code === "request_running" || status >= 500 || [408, 425, 429].includes(status);
  }
}
