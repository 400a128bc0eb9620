import { RedisError } from "../backend.ts";

const INTEGER = /^(0|-?[1-9]\d{0,18})$/;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** Redis' reading of a 64-bit integer: no sign but "-", no spaces, no leading zeros. Null when it is none. */
function readInteger(text: string): bigint | null {
  if (!INTEGER.test(text)) return null;
  const value = BigInt(text);
  return value >= INT64_MIN && value <= INT64_MAX ? value : null;
}

export const NOT_AN_INTEGER = "ERR value is not an integer or out of range";

/** As readInteger; throws RedisError when it is none. */
export function parseInteger(text: string): number {
  const value = readInteger(text);
  if (value === null) throw new RedisError(NOT_AN_INTEGER);
  return Number(value);
}

/** Adds `step` to the integer that `read` gives; `complaint` is the error when that is something else. */
export function add(read: () => string | undefined, step: string, complaint: string): string {
  const by = readInteger(step);
  if (by === null) throw new RedisError(NOT_AN_INTEGER);
  const value = readInteger(read() ?? "0");
  if (value === null) throw new RedisError(complaint);
  const sum = value + by;
  if (sum > INT64_MAX || sum < INT64_MIN) throw new RedisError("ERR increment or decrement would overflow");
  return sum.toString();
}
