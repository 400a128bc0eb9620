import type { LookupFunction } from "node:net";
import { DeliveryError } from "./delivery.ts";
import { askOnce, type Answer } from "./http-request.ts";
import { signWebhook } from "./webhook-signature.ts";
import { publicLookup, webhookTarget } from "./webhook-target.ts";

export { parseWebhookSecrets, signWebhook } from "./webhook-signature.ts";

/** The whole of a request: look-up, connection, answer and its body. Standard Webhooks asks for 15 to 30 s. */
const WEBHOOK_TIMEOUT_MS = 15_000;
const RETRY_AFTER_S_MAX = 24 * 60 * 60;

interface Webhook {
  url: string;
  /** Each signs, so that a receiver can change from one to the next. */
  secrets: readonly string[];
  /** Stays the same when a message is sent again; the receiver tells by it. */
  id: string;
  /** JSON. */
  body: string;
}

interface WebhookSender {
  /**
   * One attempt, by Standard Webhooks 1.0.0 (https://www.standardwebhooks.com). A status of 200 to 299 is a delivery,
   * whatever becomes of the answer's body; everything else, redirects included, throws a DeliveryError. An id or a
   * secret that is not of its form throws an Error, quoting nothing.
   */
  send(webhook: Webhook): Promise<void>;
}

interface WebhookSenderOptions {
  /** Whether a webhook may go to a private address, and over http. */
  allowPrivate: boolean;
  timeoutMs?: number;
  /** In place of the system's resolver. */
  lookup?: LookupFunction;
}

export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const { allowPrivate, timeoutMs = WEBHOOK_TIMEOUT_MS } = options;
  const lookup = allowPrivate ? options.lookup : publicLookup(options.lookup);
  return {
    async send({ url, secrets, id, body }) {
      const target = webhookTarget(url, allowPrivate);
      const timestamp = Math.floor(Date.now() / 1_000);
      const headers = {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        "user-agent": "afterimage",
        "webhook-id": id,
        "webhook-timestamp": String(timestamp),
        "webhook-signature": secrets.map((secret) => signWebhook(secret, { id, timestamp, body })).join(" "),
      };
      requireSuccess(
        await askOnce(target, { method: "POST", headers, body, timeoutMs, ...(lookup ? { lookup } : {}) }),
      );
    },
  };
}

function requireSuccess({ status, retryAfter }: Answer): void {
  if (status >= 200 && status <= 299) return;
  if (status === 410) throw new DeliveryError("HTTP 410", { permanent: true });
  const waits = status === 429 || status === 503;
  throw new DeliveryError(`HTTP ${status}`, {
    retryAfterSeconds: waits && retryAfter !== undefined ? secondsOf(retryAfter) : undefined,
  });
}

const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** Retry-After, RFC 9110 section 10.2.3: seconds, or a date; at most a day, undefined where it is neither. */
function secondsOf(text: string): number | undefined {
  const seconds = /^\d+$/.test(text)
    ? Number(text)
    : HTTP_DATE.test(text)
      ? Math.ceil((Date.parse(text) - Date.now()) / 1_000)
      : Number.NaN;
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), RETRY_AFTER_S_MAX);
}
