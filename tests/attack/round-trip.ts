import { isDeepStrictEqual } from "node:util";
import type { Draft } from "./draft.ts";
import { violations } from "./judge.ts";
import type { Operation, Schema } from "./openapi.ts";
import type { Answer, Sent } from "./send.ts";

type Get = (target: string) => Promise<Answer>;

/**
 * What of an accepted body cannot be read again as it was sent: by the route that reads what this one writes, else in
 * the answer itself. Which route that is follows from the documents.
 */
export async function judgeRoundTrip(
  operations: Operation[],
  draft: Draft,
  sent: Sent,
  answer: Answer,
  get: Get,
): Promise<string[]> {
  // A PUT that found something keeps what outranks it.
  if (sent.text === null || draft.operation.body === null) return [];
  if (answer.status === 200 && "201" in draft.operation.responses) return [];
  const body = JSON.parse(sent.text.replace(/^\uFEFF/, "")) as Record<string, unknown>;
  const lists = Object.entries(body).filter(
    ([name]) => draft.operation.body?.properties?.[name]?.items?.properties,
  );
  const ids = (answer.json as { ids?: string[] }).ids;
  const [list] = lists;
  if (list && ids) {
    const [name, items] = list as [string, Record<string, unknown>[]];
    const last = items.length - 1;
    const schema = draft.operation.body.properties?.[name]?.items ?? {};
    const found = await readable(
      operations,
      schema,
      draft,
      sent,
      { ...answer, json: { id: ids[last] } },
      get,
    );
    return differences(schema, items[last] ?? {}, found, `${name}[${last}]`);
  }
  const schema = meant(draft.operation.body, body);
  return differences(schema, body, await readable(operations, schema, draft, sent, answer, get), "body");
}

/** Of several ways to write something, the one that it is written in. */
const meant = (schema: Schema, value: unknown): Schema =>
  schema.anyOf?.find((one) => violations(one, value).length === 0) ?? schema;

async function readable(
  operations: Operation[],
  schema: Schema,
  draft: Draft,
  sent: Sent,
  answer: Answer,
  get: Get,
): Promise<Record<string, unknown>> {
  const own = answer.json as Record<string, unknown>;
  const same = operations.find((one) => one.method === "GET" && one.path === draft.operation.path);
  const [path, search] = sent.target.split("?");
  if (same && draft.method !== "POST") {
    const projectId =
      "projectId" in own && same.parameters.some((one) => one.name === "projectId" && one.in === "query");
    const query = search
      ? `?${search}`
      : projectId
        ? `?projectId=${encodeURIComponent(String(own.projectId))}`
        : "";
    return fieldsOf(await get(`${path}${query}`));
  }
  const reader = operations.find((one) => readsAs(one, schema));
  if (reader && typeof own.id === "string") {
    return fieldsOf(await get(reader.path.replace("{id}", own.id)));
  }
  const inner = Object.values(own).find(
    (one) => typeof one === "object" && one !== null && !Array.isArray(one),
  );
  return (inner as Record<string, unknown> | undefined) ?? own;
}

// What cannot be read at all differs in every field.
const fieldsOf = ({ status, json }: Answer) => (status === 200 ? (json as Record<string, unknown>) : {});

function readsAs({ method, path, responses }: Operation, schema: Schema): boolean {
  const answer = responses["200"]?.["application/json"];
  const names = Object.keys(schema.properties ?? {});
  return (
    method === "GET" && /\/\{id\}$/.test(path) && names.every((name) => name in (answer?.properties ?? {}))
  );
}

/** Fields of `was` that are not in `is` as they were; what was null may have been filled in. */
function differences(
  schema: Schema,
  was: Record<string, unknown>,
  is: Record<string, unknown>,
  path: string,
): string[] {
  return Object.entries(was).flatMap(([name, value]) => {
    if (value === null) return [];
    if (Object.keys(is ?? {}).length === 0) return [`${path} cannot be read again`];
    if (!Object.hasOwn(is, name)) return [];
    const own = schema.properties?.[name] ?? {};
    const at = `${path}.${name}`;
    const found = is[name];
    if (own.properties)
      return differences(own, value as Record<string, unknown>, found as Record<string, unknown>, at);
    return isSame(own, value, found) ? [] : [`${at} came back as ${JSON.stringify(found)?.slice(0, 200)}`];
  });
}

function isSame(schema: Schema, was: unknown, is: unknown): boolean {
  if (schema.format === "date-time") return Date.parse(String(was)) === Date.parse(String(is));
  if (schema.anyOf?.some((one) => one.format === "ipv6")) return hostOf(was) === hostOf(is);
  if (schema.anyOf) return isSame({ ...meant(schema, was), anyOf: undefined } as Schema, was, is);
  if (schema.properties)
    return Object.entries(was as object).every(([name, value]) =>
      isSame(schema.properties?.[name] ?? {}, value, (is as Record<string, unknown>)[name]),
    );
  if (schema.items?.enum) return isDeepStrictEqual(new Set(was as unknown[]), new Set(is as unknown[]));
  return isDeepStrictEqual(signless(was), signless(is));
}

const hostOf = (address: unknown) =>
  new URL(String(address).includes(":") ? `http://[${address}]` : `http://${address}`).hostname;

// JSON has a negative zero, jsonb has none, and they are equal.
function signless(value: unknown): unknown {
  if (value === 0) return 0;
  if (Array.isArray(value)) return value.map(signless);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, signless(inner)]));
}
