import { z } from "zod";

const ID_LENGTH_MAX = 200;
const LIST_LIMIT_MAX = 1_000;
const LIST_LIMIT_DEFAULT = 50;

/** Text of `min` to `max` characters: code points, as JSON Schema and Postgres count them. */
export const text = (min: number, max: number) =>
  z
    .string()
    .refine(
      (value) => isWithin(value, min, max),
      `must have ${min === 0 ? "at most" : `${min} to`} ${max} characters`,
    )
    .meta({ minLength: min, maxLength: max });

/** Text of 1 to `max` characters that shows something. */
export const filledText = (max: number) =>
  z
    .string()
    .regex(/\S/, "must not be empty")
    .refine((value) => isWithin(value, 0, max), `must have at most ${max} characters`)
    .meta({ maxLength: max });

function isWithin(value: string, min: number, max: number): boolean {
  // A code point has two units at most, so what is far too long need not be counted.
  if (value.length > 2 * max) return false;
  const length = value.length <= max && value.length >= 2 * min ? value.length : [...value].length;
  return length >= min && length <= max;
}

/** An id of the caller's world (workspace, user, project, resource, message): any text of 1 to 200 characters. */
export const callerId = filledText(ID_LENGTH_MAX);

// In a query, a plus stands for a blank.
const LOST_PLUS = /\d \d\d:\d\d$/;
export const PLUS_WANTED = "must be a time with its zone; in a query, write the zone's plus as %2B";
const anyTime = z.iso.datetime({
  offset: true,
  abort: true,
  error: ({ input }) =>
    LOST_PLUS.test(String(input)) ? PLUS_WANTED : "must be a time with its zone, as 2026-01-31T12:00:00Z",
});

/** A time in ISO 8601 with a zone, between the years 1900 and 2999. */
export const time = anyTime
  .refine((text) => /^(19|2\d)\d{2}-/.test(text), "must be between the years 1900 and 2999")
  .transform((text) => new Date(text));

const BEGINNING = new Date("1900-01-01T00:00:00Z");

/** Since when: nothing is older than 1900, so what is earlier is as good. */
export const since = anyTime
  .refine((text) => !/^[3-9]/.test(text), "must be before the year 3000")
  .transform((text) => (new Date(text) < BEGINNING ? BEGINNING : new Date(text)));

/** The same in a path: those come without the check that bodies and queries have had. */
export const pathId = callerId.refine((id) => !id.includes("\0"), "must not hold the NUL character");

/** In either case; as Postgres writes it from here on. */
export const uuid = z.uuid("must be a UUID").toLowerCase();

// Number("") is 0 and Number("0x10") is 16: only digits are a number here.
const digits = (value: unknown) => (typeof value === "string" && !/^\d+$/.test(value) ? Number.NaN : value);

const LIMIT_WANTED = `must be a whole number from 1 to ${LIST_LIMIT_MAX}`;
export const limit = z.preprocess(
  digits,
  z.coerce
    .number(LIMIT_WANTED)
    .int(LIMIT_WANTED)
    .min(1, LIMIT_WANTED)
    .max(LIST_LIMIT_MAX, LIMIT_WANTED)
    .default(LIST_LIMIT_DEFAULT)
    .describe("At most so many: a page of large items ends earlier, at about 4 MB."),
);

export const flag = z.enum(["true", "false"]).transform((text) => text === "true");

/** The shape of every list answer. */
export const page = <T extends z.ZodType>(item: T) =>
  z.object({
    items: z.array(item),
    nextCursor: z.string().nullable().describe("Where the next page begins; null after the last one."),
  });
