import { createHash, randomBytes } from "node:crypto";

const PREFIX = "afi_";
const SECRET_BYTES = 32;
const SHOWN_CHARACTERS = 10;

/** A new key: `afi_` and 43 characters of randomness (256 bits). */
export function newSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString("base64url");
}

/** Whether a text can be a key at all, so that nonsense costs no query. */
export function looksLikeSecret(text: string): boolean {
  return /^afi_[\w-]{43}$/.test(text);
}

/** SHA-256: a random key of 256 bits needs no slow hash. */
export function hashSecret(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

/** The beginning of a key, by which its owner knows it again. */
export const shownPrefix = (secret: string) => secret.slice(0, SHOWN_CHARACTERS);
