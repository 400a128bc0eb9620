const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;

/**
 * Seconds to wait after each failed attempt, the first being made at once: ten attempts over about three days. The
 * example schedule of Standard Webhooks 1.0.0, "Deliverability and reliability"
 * (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
 */
export const RETRY_DELAYS_S: readonly number[] = [
  5,
  5 * MINUTE_S,
  30 * MINUTE_S,
  2 * HOUR_S,
  5 * HOUR_S,
  10 * HOUR_S,
  14 * HOUR_S,
  20 * HOUR_S,
  24 * HOUR_S,
];

/** A message did not get out. The only error that a mailer and a webhook sender throw. */
export class DeliveryError extends Error {
  override readonly name = "DeliveryError";
  /**
   * Short and safe to store and show: an HTTP status, an error code such as ECONNREFUSED, or words of ours. Never a URL,
   * a secret, or anything that the other side sent.
   */
  readonly reason: string;
  /** Whether sending again cannot help, so that the channel should be switched off (HTTP 410 Gone). */
  readonly permanent: boolean;
  /** The wait that the receiver asked for, in seconds. */
  readonly retryAfterSeconds: number | undefined;

  constructor(reason: string, { permanent = false, retryAfterSeconds }: DeliveryErrorOptions = {}) {
    super(reason);
    this.reason = reason;
    this.permanent = permanent;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

interface DeliveryErrorOptions {
  permanent?: boolean;
  retryAfterSeconds?: number | undefined;
}

const ERROR_CODE = /^[A-Z][A-Z0-9_]{2,59}$/;

/** The code of a system or library error (ECONNREFUSED, CERT_HAS_EXPIRED); undefined where it is no such word. */
export function errorCode(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && ERROR_CODE.test(code) ? code : undefined;
}

const MESSAGE_ID = /^[\w-]{1,100}$/;

/** An id that may stand in a header and in what is signed, where a full stop separates; a TypeError for any other. */
export function requireMessageId(id: string): string {
  if (MESSAGE_ID.test(id)) return id;
  throw new TypeError("A message's id is 1 to 100 letters, digits, - and _");
}
