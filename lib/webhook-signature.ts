import { createHmac } from "node:crypto";
import { requireMessageId } from "./delivery.ts";

const PREFIX = "whsec_";
const SECRET_BYTES_MIN = 24;
const SECRET_BYTES_MAX = 64;
/** The secret in use, the one before it, and room. */
const SECRETS_MAX = 5;

interface SignedContent {
  id: string;
  /** Seconds since 1970: when this attempt is made. */
  timestamp: number;
  body: string;
}

/**
 * `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`, as Standard Webhooks 1.0.0 has it under "Signature scheme"
 * (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
 * Throws an Error, quoting nothing, for a secret that is not `whsec_` and the base64 of 24 to 64 bytes.
 */
export function signWebhook(secret: string, { id, timestamp, body }: SignedContent): string {
  const content = `${requireMessageId(id)}.${timestamp}.${body}`;
  return `v1,${createHmac("sha256", keyOf(secret)).update(content).digest("base64")}`;
}

/** Reads 1 to 5 secrets, separated by white space; throws an Error that quotes none of them. */
export function parseWebhookSecrets(text: string): string[] {
  const secrets = text.split(/\s+/).filter((one) => one !== "");
  if (secrets.length === 0 || secrets.length > SECRETS_MAX)
    throw new Error(`is 1 to ${SECRETS_MAX} secrets, separated by spaces`);
  for (const secret of secrets) keyOf(secret);
  return secrets;
}

function keyOf(secret: string): Buffer {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length).replace(/={1,2}$/, "") : "";
  const key = Buffer.from(text, "base64");
  // Buffer skips what is not base64; a secret that does not come back the same was not.
  const isWhole = key.toString("base64").replace(/={1,2}$/, "") === text;
  if (!isWhole || key.length < SECRET_BYTES_MIN || key.length > SECRET_BYTES_MAX)
    throw new Error(
      `is ${PREFIX} and the base64 of ${SECRET_BYTES_MIN} to ${SECRET_BYTES_MAX} random bytes; make one with: echo "${PREFIX}$(openssl rand -base64 32)"`,
    );
  return key;
}
