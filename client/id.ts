/** A UUIDv7 (RFC 9562): unique, and in the order of time, which is kind to the index that it goes into. */
export function newId(): string {
  // 48 bits, of which the first four are 0 until the year 2527.
  const time = `0${Date.now().toString(16)}`;
  // Version and variant stand in the second half of a version 4, whose "4" becomes "7".
  return `${time.slice(0, 8)}-${time.slice(8)}-7${crypto.randomUUID().slice(15)}`;
}
