const UNIT_MS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/**
 * Milliseconds of a time string such as `300ms` or `2h45m` (Inngest SDK spec §1.3.2; `d` is 24 h, `w` is
 * 168 h). The empty string is zero, which is how the SDK writes a sleep of no length.
 * Throws a RangeError for anything else.
 */
export function durationMs(text: string): number {
  let total = 0;
  let position = 0;
  for (const part of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d|w)/gy)) {
    total += Number(part[1]) * (UNIT_MS[part[2] ?? ""] ?? 0);
    position = part.index + part[0].length;
  }
  if (position !== text.length) throw new RangeError(`"${text}" is no time string`);
  return total;
}

/** The moment that a time string (counted from `from`) or an ISO 8601 date names. Throws a RangeError. */
export function momentOf(text: string, from: Date): Date {
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) {
    const date = new Date(text);
    if (Number.isNaN(date.getTime())) throw new RangeError(`"${text}" is no date`);
    return date;
  }
  return new Date(from.getTime() + durationMs(text));
}
