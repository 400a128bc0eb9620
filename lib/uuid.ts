const VERSION_AT = 14;
const TIME_DIGITS = 12;

/** The time in a UUID of version 7 (RFC 9562), in milliseconds since 1970, up to the year 10889; null for any other version. */
export function uuidTime(id: string): number | null {
  if (id.charAt(VERSION_AT) !== "7") return null;
  return Number.parseInt(id.replaceAll("-", "").slice(0, TIME_DIGITS), 16);
}
