import fc from "fast-check";
import { Learned } from "./json.ts";
import { SPITEFUL_TEXTS } from "./hostile.ts";
import { typesOf, type Schema } from "./openapi.ts";

const TEXT_LENGTH_MAX = 200;
/** A request that names another tenant's says little else, so most name one that exists. */
const TENANT_NAMES = /\b(workspace|project)(Id|s)\}?$/;
const UNKNOWN_UUID = "01890000-0000-7000-8000-000000000000";
const LIST_LENGTH_MAX = 3;
/** Far from any limit, so that sums of valid counts are valid. */
const COUNT_MAX = 1_000_000;
const LEARNED_MAX = 1_000;
/** An object without required fields gets so many at least: a change that changes nothing is refused. */
const FIELDS_MIN = 3;

export type Path = (string | number)[];

/** A value that fits a schema; one that is known by its name is often one that exists. */
export function valid(schema: Schema, name: string): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => valid(one, name)));
  const choices = typesOf(schema).map((type) => ofType(type, schema, name));
  return choices.length > 0 ? fc.oneof(...choices) : anyJson;
}

/** A valid value, but for `leaf` at `path`. */
export function validAround(
  schema: Schema,
  name: string,
  path: Path,
  leaf: fc.Arbitrary<unknown>,
): fc.Arbitrary<unknown> {
  const [step, ...rest] = path;
  if (step === undefined) return leaf;
  if (typeof step === "number") {
    const item = schema.items ?? {};
    return fc
      .tuple(validAround(item, name, rest, leaf), fc.array(valid(item, name), { maxLength: 1 }))
      .map(([first, more]) => [first, ...more]);
  }
  return fields(schema, { [step]: validAround(schema.properties?.[step] ?? {}, step, rest, leaf) });
}

function ofType(type: string, schema: Schema, name: string): fc.Arbitrary<unknown> {
  switch (type) {
    case "null":
      return fc.constant(null);
    case "boolean":
      return fc.boolean();
    case "integer":
      return fc.integer({
        min: schema.minimum ?? -COUNT_MAX,
        max: Math.min(schema.maximum ?? COUNT_MAX, COUNT_MAX),
      });
    case "number":
      return fc.double({
        min: schema.minimum ?? -1e12,
        max: schema.maximum ?? 1e12,
        noNaN: true,
        noDefaultInfinity: true,
      });
    case "array":
      return list(schema, name);
    case "object":
      return schema.properties ? fields(schema) : named(schema);
    default:
      return text(schema, name);
  }
}

function list(schema: Schema, name: string): fc.Arbitrary<unknown> {
  const bounds = {
    minLength: schema.minItems ?? 0,
    maxLength: Math.min(schema.maxItems ?? LIST_LENGTH_MAX, LIST_LENGTH_MAX),
  };
  const item = valid(schema.items ?? {}, name);
  return schema.items?.enum ? fc.uniqueArray(item, bounds) : fc.array(item, bounds);
}

function fields(
  schema: Schema,
  given: Record<string, fc.Arbitrary<unknown>> = {},
): fc.Arbitrary<Record<string, unknown>> {
  const { properties = {}, required = [] } = schema;
  const names = Object.keys(properties);
  const optional = names.filter((one) => !required.includes(one) && !(one in given));
  // A time is often bounded by what no schema can say (not past, not ahead), so only one that is asked for comes along.
  const free = optional.filter((one) => properties[one]?.format !== "date-time");
  const all = Object.fromEntries(names.map((one) => [one, given[one] ?? valid(properties[one] ?? {}, one)]));
  const least = required.length === 0 ? Math.min(FIELDS_MIN, free.length) : 0;
  const chosen = fc.subarray(free, { minLength: least });
  return fc.tuple(fc.record(all), chosen).map(([values, kept]) => {
    const named = new Set([...required, ...Object.keys(given), ...kept]);
    return Object.fromEntries(names.filter((one) => named.has(one)).map((one) => [one, values[one]]));
  });
}

/** An object whose fields have any names, and values of one kind. */
function named({ additionalProperties, propertyNames }: Schema): fc.Arbitrary<unknown> {
  if (typeof additionalProperties !== "object" || Object.keys(additionalProperties).length === 0)
    return filledObject;
  const { minLength = 0 } = propertyNames ?? {};
  const names = jsonText.map((one) =>
    [...one].length < minLength ? one.padEnd(one.length + minLength, "x") : one,
  );
  return fc.dictionary(names, valid(additionalProperties, "value"), { maxKeys: 3, noNullPrototype: true });
}

const clean = (one: string) => one.replaceAll("\0", "");

export const spiteful = fc.constantFrom(...SPITEFUL_TEXTS);

/** Any storable text of at most `max` code points. */
export const anyText = (max: number) =>
  fc
    .oneof(
      { weight: 2, arbitrary: fc.string({ unit: "grapheme", maxLength: Math.min(max, 20) }) },
      { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: max }) },
      { weight: 3, arbitrary: spiteful },
    )
    .map((one) => [...clean(one)].slice(0, max).join(""));

export const validTime = fc
  .tuple(
    fc.date({ min: new Date("2000-01-02"), max: new Date("2099-01-01"), noInvalidDate: true }),
    fc.constantFrom("Z", "+00:00", "+14:00", "-12:00", "+05:45", "-23:59"),
    fc.constantFrom("", ".5", ".123", ".123456"),
  )
  .map(([at, zone, fraction]) => at.toISOString().replace(/\.\d+Z$/, fraction + zone));

const MOMENTS = ["2025-12-31", "2026-02-28T23:45:00Z", "2026-06-30T12:15:00.000+05:45"];
const ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Argentina/Buenos_Aires", "Etc/GMT+5"];

function text(schema: Schema, name: string): fc.Arbitrary<unknown> {
  const fallback = schema.format === "uuid" ? UNKNOWN_UUID : "x".padEnd(schema.minLength ?? 1, "x");
  const learned = fc.nat({ max: LEARNED_MAX }).map((nth) => new Learned(name, nth, fallback));
  switch (schema.format) {
    case "uuid":
      return fc.oneof({ weight: 3, arbitrary: learned }, { weight: 1, arbitrary: fc.uuid() });
    case "date-time":
      return validTime;
    case "date-or-quarter-hour":
      return fc.constantFrom(...MOMENTS);
    case "iana-time-zone":
      return fc.constantFrom(...ZONES);
    case "ipv4":
      return fc.ipV4();
    case "ipv6":
      return fc.ipV6();
  }
  const { pattern, minLength = 0, maxLength = TEXT_LENGTH_MAX } = schema;
  if (pattern?.startsWith("^")) {
    return fc.oneof(
      { weight: 3, arbitrary: learned },
      { weight: 1, arbitrary: fc.stringMatching(new RegExp(pattern)) },
    );
  }
  const free = anyText(Math.min(maxLength, TEXT_LENGTH_MAX)).map((one) => {
    const filled = /\S/.test(one) ? one : `x${one}`.slice(0, maxLength);
    return [...filled].length < minLength ? filled.padEnd(filled.length + minLength, "x") : filled;
  });
  const weight = TENANT_NAMES.test(name) ? 30 : 2;
  return fc.oneof({ weight, arbitrary: learned }, { weight: 3, arbitrary: free });
}

const jsonText = anyText(30);
const anyJson: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }),
    jsonText,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(jsonText, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

const filledObject = fc.dictionary(jsonText, anyJson, { minKeys: 1, maxKeys: 5, noNullPrototype: true });
