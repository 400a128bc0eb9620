import { sql } from "drizzle-orm";
import { STEPS } from "./trail-row.ts";

/** What a writer may set, with the type that it has in Postgres. */
const WRITABLE = {
  status: "text",
  timestamp: "timestamptz",
  model: "text",
  reasoning: "jsonb",
  context_layers: "int",
  prompt_tokens: "int",
  completion_tokens: "int",
  total_tokens: "int",
  cached_tokens: "int",
  reasoning_tokens: "int",
  prompt_cost: "numeric",
  completion_cost: "numeric",
  total_cost: "numeric",
  latency_ms: "int",
  prompt_digest: "text",
  context_digest: "text",
  policy_digest: "text",
} as const;
export type Column = keyof typeof WRITABLE;
export const COLUMNS = Object.keys(WRITABLE) as Column[];
/** Amounts that are known together or not at all. */
const GROUPS: readonly Column[][] = [
  ["prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens"],
  ["prompt_cost", "completion_cost", "total_cost"],
];
export const groupOf = (name: Column) => GROUPS.find((group) => group.includes(name));

/** Column values; what is absent or null is null, but a total then is the sum of its parts. */
export type TrailValues = { [Name in Column]?: unknown };

// Money goes in as JSON's own digits and is added as numeric, so that 0.0003 + 0.00075 is 0.00105.
const SUMS: Partial<Record<Column, string>> = {
  total_tokens: "coalesce(r.total_tokens, r.prompt_tokens + r.completion_tokens)",
  total_cost: "coalesce(r.total_cost, r.prompt_cost + r.completion_cost)",
};
/** The columns as `jsonb_to_record() as r` reads them. */
export const recordType = sql.raw(COLUMNS.map((name) => `"${name}" ${WRITABLE[name]}`).join(", "));
/** The values of such an `r`, with their totals. */
export const resolved = sql.raw(
  COLUMNS.map((name) => `${SUMS[name] ?? `r."${name}"`} as "${name}"`).join(", "),
);
/** A statement that gives one row of values. */
export const given = (values: TrailValues) => sql`
  select ${resolved}
  from jsonb_to_record(${JSON.stringify(values)}::jsonb) as r(${recordType})`;

const STEPS_ARRAY = `array[${STEPS.map((step) => `'${step}'`).join(", ")}]`;
/** Whether one status is an earlier step than another; both are SQL expressions. */
export const isBehind = (status: string, other: string) =>
  sql.raw(`array_position(${STEPS_ARRAY}, ${status}) < array_position(${STEPS_ARRAY}, ${other})`);

// What a second write of a trail replaces: `t` is stored, `excluded` comes.
const REPLACED = COLUMNS.filter((name) => name !== "timestamp");
export const replaced = sql.raw(REPLACED.join(", "));
export const replacedOf = (alias: string) => sql.raw(REPLACED.map((name) => `${alias}.${name}`).join(", "));
// A digest stays when it is left out; the trigger on the table refuses another one.
const PINNED: readonly Column[] = ["prompt_digest", "context_digest", "policy_digest"];
const replacement = (name: Column) =>
  PINNED.includes(name) ? `coalesce(excluded.${name}, t.${name})` : `excluded.${name}`;
export const replacing = sql.raw(REPLACED.map(replacement).join(", "));
export const replacements = sql.raw(REPLACED.map((name) => `${name} = ${replacement(name)}`).join(", "));
