const DAY_MS = 24 * 3_600_000;
const WEEK_DAYS = 7;
const SHAPE = /^(\d{4})-W(\d{2})$/;

/** A week of ISO 8601: Monday 00:00 UTC to the next. */
export interface IsoWeek {
  /** `2026-W47`. */
  name: string;
  startsAt: Date;
  endsAt: Date;
}

/** The week that a time lies in; by ISO 8601 it belongs to the year of its Thursday. */
export function weekOf(time: Date): IsoWeek {
  const day = Date.UTC(time.getUTCFullYear(), time.getUTCMonth(), time.getUTCDate());
  const sinceMonday = (time.getUTCDay() + 6) % WEEK_DAYS;
  const monday = day - sinceMonday * DAY_MS;
  const year = new Date(monday + 3 * DAY_MS).getUTCFullYear();
  const number = 1 + Math.round((monday - firstMonday(year)) / (WEEK_DAYS * DAY_MS));
  return {
    name: `${String(year).padStart(4, "0")}-W${String(number).padStart(2, "0")}`,
    startsAt: new Date(monday),
    endsAt: new Date(monday + WEEK_DAYS * DAY_MS),
  };
}

/** The week before the one that a time lies in: the last that is over. */
export const lastWeek = (time: Date): IsoWeek => weekOf(new Date(time.getTime() - WEEK_DAYS * DAY_MS));

/** So many weeks that are over, oldest first; the last of them is `lastWeek(time)`. */
export const pastWeeks = (time: Date, count: number): IsoWeek[] =>
  Array.from({ length: count }, (_, i) =>
    weekOf(new Date(time.getTime() - (count - i) * WEEK_DAYS * DAY_MS)),
  );

/** The week of this name; null where there is none (not every year has a W53). */
export function parseWeek(name: string): IsoWeek | null {
  const [, year, number] = SHAPE.exec(name) ?? [];
  if (year === undefined || number === undefined || Number(number) < 1) return null;
  const week = weekOf(new Date(firstMonday(Number(year)) + (Number(number) - 1) * WEEK_DAYS * DAY_MS));
  return week.name === name ? week : null;
}

/** The Monday of W01, the week of January 4. */
function firstMonday(year: number): number {
  const fourth = new Date(Date.UTC(year, 0, 4));
  // Date.UTC takes 0 to 99 for 1900 to 1999.
  fourth.setUTCFullYear(year, 0, 4);
  return fourth.getTime() - ((fourth.getUTCDay() + 6) % WEEK_DAYS) * DAY_MS;
}
