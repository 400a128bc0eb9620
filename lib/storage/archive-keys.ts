import { createHash } from "node:crypto";

const KEY_BYTES = 32;
const NAME_CHARACTERS = 16;

export interface ArchiveKey {
  /** Names the key without giving it away: the beginning of its SHA-256. */
  name: string;
  secret: Uint8Array;
}

/** The first encrypts; all of them decrypt, so that a key can be replaced and its files stay readable. */
export type ArchiveKeys = readonly ArchiveKey[];

/** Keys of 32 bytes in base64, separated by spaces. Throws an Error that quotes none. */
export function parseArchiveKeys(text: string): ArchiveKeys {
  const keys = text
    .trim()
    .split(/\s+/)
    .map((one) => Buffer.from(one, "base64"));
  if (keys.some((secret) => secret.length !== KEY_BYTES)) {
    throw new Error(`holds keys of ${KEY_BYTES} bytes in base64: openssl rand -base64 ${KEY_BYTES}`);
  }
  return keys.map((secret) => ({
    name: createHash("sha256").update(secret).digest("hex").slice(0, NAME_CHARACTERS),
    secret,
  }));
}
