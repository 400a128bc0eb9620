import { createHash } from "node:crypto";
import { z } from "zod";
import { columnName, settings, tableName } from "./config-parts.ts";

const RULES_MAX = 30;
const CONDITIONS_MAX = 10;
const VALUES_MAX = 100;
const VALUE_LENGTH_MAX = 200;
const ROWS_PER_RUN = 100_000;
const ROWS_PER_RUN_MAX = 400_000;

const HOUR_S = 3_600;
const UNITS_S: Record<string, number> = { hour: HOUR_S, day: 24 * HOUR_S, week: 7 * 24 * HOUR_S };
const AGE = /^([1-9]\d{0,4}) (hour|day|week)s?$/;
const OWN_SCHEMAS = /^(audit|pg_catalog|pg_toast|information_schema)\./;

const age = z.string({ error: 'is an age: "30 days"' }).regex(AGE, {
  error: 'is an age of whole hours, days or weeks: "12 hours", "30 days" (months differ in length)',
});
const VALUE = "is text, a whole number, true or false";
const value = z.union([z.string({ error: VALUE }).max(VALUE_LENGTH_MAX), z.int(), z.boolean()], {
  error: VALUE,
});
const olderThan = settings({ column: columnName, olderThan: age });
const isIn = settings({
  column: columnName,
  in: z
    .array(value, { error: "is a list of values" })
    .min(1, { error: "names no value" })
    .max(VALUES_MAX, { error: `has more than ${VALUES_MAX} values` }),
});
const ROWS = `is 1 to ${ROWS_PER_RUN_MAX} rows`;

/** Rows of one of the application's tables that are deleted once all its conditions hold. */
const cleanupRule = settings({
  table: tableName.refine((name) => !OWN_SCHEMAS.test(name), {
    error: "is not a table of the application; what Afterimage keeps has a retention of its own",
  }),
  where: z
    .array(z.union([olderThan, isIn]), { error: "is a list of conditions" })
    .max(CONDITIONS_MAX, { error: `has more than ${CONDITIONS_MAX} conditions` })
    .refine((conditions) => conditions.some((one) => "olderThan" in one), {
      error:
        'has no age, so rows would go as soon as they came; add { column: "created_at", olderThan: "90 days" }',
    })
    .refine((conditions) => new Set(conditions.map(({ column }) => column)).size === conditions.length, {
      error: "has two conditions on one column; all conditions must hold, so make them one",
    }),
  rowsPerRun: z
    .int({ error: ROWS })
    .min(1, { error: ROWS })
    .max(ROWS_PER_RUN_MAX, { error: ROWS })
    .default(ROWS_PER_RUN),
  workspaceColumn: columnName.optional(),
});
export type CleanupRule = z.output<typeof cleanupRule>;

export const cleanupRules = z
  .array(cleanupRule, { error: "is a list of rules" })
  .max(RULES_MAX, { error: `has more than ${RULES_MAX} rules` })
  .refine((rules) => new Set(rules.map(digestOf)).size === rules.length, { error: "has a rule twice" });

/** What a rule is known by while it runs: SHA-256 of what it deletes, whatever its bound, and what holds keep of it. */
export function digestOf({ table, where }: Pick<CleanupRule, "table" | "where">): string {
  return createHash("sha256")
    .update(JSON.stringify([table, where]))
    .digest("hex");
}

/** The rule as the database's functions take it: ages in seconds. */
export function toSql({ table, where, workspaceColumn }: CleanupRule): Record<string, unknown> {
  const conditions = where.map((one) =>
    "in" in one ? one : { column: one.column, seconds: secondsOf(one.olderThan) },
  );
  return { table, where: conditions, ...(workspaceColumn === undefined ? {} : { workspaceColumn }) };
}

function secondsOf(text: string): number {
  const [, count, unit = ""] = AGE.exec(text) ?? [];
  return Number(count) * (UNITS_S[unit] as number);
}

/** `public.siren_events where status is sent or failed and created_at is older than 90 days` */
export function inWords({ table, where }: CleanupRule): string {
  const conditions = where.map((one) =>
    "in" in one ? `${one.column} is ${one.in.join(" or ")}` : `${one.column} is older than ${one.olderThan}`,
  );
  return `${table} where ${conditions.join(" and ")}`;
}
