import { createHash, randomBytes } from "node:crypto";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIME_BYTES = 6;
const ENTROPY_BYTES = 10;
const ULID_CHARACTERS = 26;
const BITS_PER_CHARACTER = 5n;

/** A ULID of `millis` (Unix time) and 10 bytes of entropy, as Inngest names events and runs. */
export function ulid(millis: number = Date.now(), entropy: Buffer = randomBytes(ENTROPY_BYTES)): string {
  const bytes = Buffer.alloc(TIME_BYTES + ENTROPY_BYTES);
  bytes.writeUIntBE(millis, 0, TIME_BYTES);
  entropy.copy(bytes, TIME_BYTES);
  let rest = BigInt(`0x${bytes.toString("hex")}`);
  let text = "";
  for (let i = 0; i < ULID_CHARACTERS; i++) {
    text = ALPHABET[Number(rest & 31n)] + text;
    rest >>= BITS_PER_CHARACTER;
  }
  return text;
}

/**
 * The ids for the events of one request, from the SDK's seed header ("millis,base64 entropy"), so that
 * a request sent again after a lost answer names the same events. Without a valid seed: undefined.
 */
export function seededUlid(seed: string | undefined, index: number): string | undefined {
  const [millisText, entropyText] = seed?.split(",") ?? [];
  const millis = Number(millisText);
  const entropy = Buffer.from(entropyText ?? "", "base64");
  if (!Number.isSafeInteger(millis) || millis <= 0 || millis >= 2 ** 48) return undefined;
  if (entropy.length !== ENTROPY_BYTES) return undefined;
  entropy.writeUInt32BE((entropy.readUInt32BE(6) + index) >>> 0, 6);
  return ulid(millis, entropy);
}

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
