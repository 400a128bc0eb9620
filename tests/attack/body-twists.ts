import fc from "fast-check";
import { plain, type Draft } from "./draft.ts";
import {
  DEEP,
  NO_JSON,
  NUMBERS,
  POISONOUS_NUMBERS,
  POISONOUS_TEXTS,
  PROTOTYPE_MEMBERS,
  TIMES,
  UNITS,
} from "./hostile.ts";
import { LEFT_OUT, Raw, WithMember } from "./json.ts";
import { typesOf, type Operation, type Schema } from "./openapi.ts";
import { anyText, spiteful, valid, validAround, validTime, type Path } from "./values.ts";

const ITEMS_MANY = 5_000;
const LENGTH_UNBOUNDED = 2_000;

interface Site {
  path: Path;
  schema: Schema;
  isRequired: boolean;
}

/** Every place in a body that its schema names, the body itself first. */
export function sitesOf(schema: Schema, path: Path = [], isRequired = true): Site[] {
  const { properties = {}, required = [], items } = schema;
  return [
    { path, schema, isRequired },
    ...Object.entries(properties).flatMap(([name, inner]) =>
      sitesOf(inner, [...path, name], required.includes(name)),
    ),
    ...(items ? sitesOf(items, [...path, 0]) : []),
  ];
}

export const placeOf = (path: Path) =>
  path.reduce<string>((all, one) => all + (typeof one === "number" ? `[${one}]` : `.${one}`), "body");

interface Leaf {
  kind: string;
  leaf: fc.Arbitrary<unknown>;
  /** The member that is added to the site, when that is what a refusal names. */
  member?: string;
}

const raw = (texts: Raw[]) => fc.constantFrom(...texts);

function leavesOf({ path, schema, isRequired }: Site): Leaf[] {
  const name = String(path.at(-1) ?? "body");
  const types = typesOf(schema);
  const isText = types.includes("string") || schema.anyOf !== undefined;
  const { maxLength = LENGTH_UNBOUNDED } = schema;
  const isField = typeof path.at(-1) === "string";
  return [
    { kind: "another type", leaf: fc.constantFrom(null, true, 0, 1.5, -1, "x", "", [], {}, [[]], { a: 1 }) },
    { kind: "no JSON", leaf: raw(NO_JSON) },
    { kind: "unstorable text", leaf: raw(POISONOUS_TEXTS) },
    { kind: "inexact number", leaf: raw(POISONOUS_NUMBERS) },
    { kind: "too deep", leaf: raw(DEEP) },
    ...(isField && isRequired ? [{ kind: "left out", leaf: fc.constant(LEFT_OUT) }] : []),
    ...(isText
      ? [
          { kind: "spiteful text", leaf: spiteful },
          { kind: "any text", leaf: anyText(maxLength) },
          {
            kind: "length at the limit",
            leaf: fc
              .tuple(fc.constantFrom(...UNITS), fc.constantFrom(0, 1, -1, -2))
              .map(([unit, more]) => unit.repeat(more === -2 ? 1 : maxLength + more)),
          },
        ]
      : []),
    ...(schema.format === "date-time"
      ? [{ kind: "time", leaf: fc.oneof(fc.constantFrom(...TIMES), validTime) }]
      : []),
    ...(types.some((type) => type === "integer" || type === "number")
      ? [
          { kind: "number", leaf: raw(NUMBERS) },
          {
            kind: "number at the limit",
            leaf: fc
              .constantFrom(schema.minimum ?? 0, schema.maximum ?? 0)
              .chain((edge) => fc.constantFrom(edge, edge - 1, edge + 1, edge + 0.5)),
          },
        ]
      : []),
    ...(types.includes("array")
      ? [
          {
            kind: "long list",
            leaf: valid(schema.items ?? {}, name).chain((one) =>
              fc
                .constantFrom(...longLengths(schema))
                .map((count) => Array.from({ length: count }, () => one)),
            ),
          },
          { kind: "huge list", leaf: fc.constant(new Raw(`[${"0,".repeat(50_000)}0]`)) },
        ]
      : []),
    ...(types.includes("object") ? membersOf(schema, name) : []),
  ];
}

// A thousand records at once would make the database grow more than the attack is worth; one too many is refused.
const longLengths = ({ items, maxItems = ITEMS_MANY }: Schema) =>
  items?.properties ? [maxItems + 1] : [maxItems, maxItems + 1];

function membersOf(schema: Schema, name: string): Leaf[] {
  const around = valid({ ...schema, type: "object" }, name);
  const add = (kind: string, text: string, member: string): Leaf => ({
    kind,
    member,
    leaf: around.map((value) => new WithMember(value, text)),
  });
  return [
    add("unknown field", '"surprise":1', "surprise"),
    add("unstorable key", '"a\\u0000b":1', ""),
    add("unstorable key", '"\\ud800":1', ""),
    add("long key", `"${"k".repeat(30_000)}":1`, "k".repeat(30_000)),
    add("spiteful key", `"'; drop table x; --":1`, "'; drop table x; --"),
    ...PROTOTYPE_MEMBERS.map((text) => add("prototype key", text, /"(\w+)"/.exec(text)?.[1] ?? "")),
    ...Object.keys(schema.properties ?? {}).map((key) =>
      add("key given twice", `${JSON.stringify(key)}:[[]]`, key),
    ),
  ];
}

/** A valid request, but for one place in its body. */
export function bodyTwist(operation: Operation, body: Schema): fc.Arbitrary<Draft> {
  const all = sitesOf(body).flatMap((site) => leavesOf(site).map((leaf) => ({ site, ...leaf })));
  const kinds = [...new Set(all.map((one) => one.kind))];
  return fc.constantFrom(...kinds).chain((kind) =>
    fc.constantFrom(...all.filter((one) => one.kind === kind)).chain(({ site, leaf, member }) =>
      fc.tuple(plain(operation), validAround(body, "body", site.path, leaf)).map(([draft, twisted]) => {
        const place = placeOf(site.path);
        const places = [member ? `${place}.${member}` : place];
        return { ...draft, body: relink(draft, twisted, site.path), twist: { kind, places } };
      }),
    ),
  );
}

// The twisted place stays as it is; what else the body repeats of the path or query agrees with them.
function relink(draft: Draft, body: unknown, twisted: Path): unknown {
  if (typeof body !== "object" || body === null || isWritten(body) || Array.isArray(body)) return body;
  const named = { ...draft.params, ...draft.query };
  return Object.fromEntries(
    Object.entries(body).map(([key, value]) => [
      key,
      key in named && twisted[0] !== key ? named[key] : value,
    ]),
  );
}

const isWritten = (value: unknown) => value instanceof Raw || value instanceof WithMember;

/** Several places of the body at once. */
export function manyTwists(operation: Operation, body: Schema): fc.Arbitrary<Draft> {
  const fields = sitesOf(body).filter((one) => one.path.length === 1);
  const leaf = (site: Site) => fc.oneof(...leavesOf(site).map((one) => one.leaf));
  const twisted = fc.record(Object.fromEntries(fields.map((one) => [String(one.path[0]), leaf(one)])), {
    requiredKeys: [],
  });
  return fc.tuple(plain(operation), twisted).map(([draft, values]) => ({
    ...draft,
    body: { ...(draft.body as object), ...values },
    twist: { kind: "many places", places: null },
  }));
}
