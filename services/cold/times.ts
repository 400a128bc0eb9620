const MICROS_PER_MS = 1_000n;
const MICROS_PER_S = 1_000_000n;
const FRACTION_DIGITS = 6;

/** Postgres' text for a time in UTC, `2026-01-31 12:00:00.123456+00`, as microseconds since 1970. */
export function toMicros(text: string): bigint {
  const [, second = "", fraction = ""] = /^(.{19})(?:\.(\d{1,6}))?\+00$/.exec(text) ?? [];
  const ms = Date.parse(`${second.replace(" ", "T")}Z`);
  if (Number.isNaN(ms)) throw new TypeError("not a time in UTC");
  return BigInt(ms) * MICROS_PER_MS + BigInt(fraction.padEnd(FRACTION_DIGITS, "0"));
}

/** The way back, for years of four digits. */
export function fromMicros(micros: bigint): string {
  const fraction = ((micros % MICROS_PER_S) + MICROS_PER_S) % MICROS_PER_S;
  const second = new Date(Number((micros - fraction) / MICROS_PER_MS))
    .toISOString()
    .slice(0, 19)
    .replace("T", " ");
  const digits = String(fraction).padStart(FRACTION_DIGITS, "0").replace(/0+$/, "");
  return `${second}${digits === "" ? "" : `.${digits}`}+00`;
}

/** As the database's driver reads a time: to the millisecond before it. */
export const toDate = (micros: bigint): Date => {
  const rest = ((micros % MICROS_PER_MS) + MICROS_PER_MS) % MICROS_PER_MS;
  return new Date(Number((micros - rest) / MICROS_PER_MS));
};

export const dateMicros = (date: Date): bigint => BigInt(date.getTime()) * MICROS_PER_MS;
