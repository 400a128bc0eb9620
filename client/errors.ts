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
    more?: { status?: number | undefined; retryAfterMs?: number; cause?: unknown },
  ) {
    super(message, more);
    Object.assign(this, { retryAfterMs: 0, ...more, code });
  }

  /** An Error's message is not among what JSON shows by itself. */
  toJSON(): object {
    return { ...this, message: this.message };
  }

  /** Whether the same request may succeed later. */
  get isTransient(): boolean {
    const { code, status = 500 } = this;
    return code === "request_running" || status >= 500 || status === 429;
  }
}

export const noAnswer = (code: "timeout" | "unreachable", cause?: unknown): AuditClientError =>
  new AuditClientError(code, "The audit service did not answer.", { cause });
