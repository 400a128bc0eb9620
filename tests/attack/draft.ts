import fc from "fast-check";
import type { Operation } from "./openapi.ts";
import { valid } from "./values.ts";

/** Who sends it: one of the world's keys, or an Authorization header as it stands (null: none). */
export type Sender = { key: string } | { authorization: string | null };

/** How the text of the body becomes bytes. */
export interface Encoding {
  kind: string;
  /** Where in the text, from 0 to 1, for kinds that need a place. */
  at: number;
}

/** A request before it is sent: values may still have to be learned, or stand for text that is no JSON. */
export interface Draft {
  operation: Operation;
  method: string;
  sender: Sender;
  params: Record<string, unknown>;
  query: Record<string, unknown>;
  /** Query text as it stands, after the rest. */
  querySuffix: string;
  /** Changes the path as it was built from the parameters. */
  bendPath: string | null;
  headers: [name: string, value: string][];
  /** Undefined: none. */
  body: unknown;
  encoding: Encoding | null;
  /** What was done to a valid request, and the only fields that a refusal may name; null when nothing, or many things, were. */
  twist: { kind: string; places: string[] | null };
}

export const isWrite = (draft: Draft) => draft.method !== "GET" && draft.method !== "HEAD";

/** The template up to a parameter, under which its values are learned: `/api/keys/{id}`. */
export const learnedAs = (path: string, parameter: string) =>
  path.slice(0, path.indexOf(`{${parameter}}`) + parameter.length + 2);

/** A request that the documents call valid. */
export function plain(operation: Operation): fc.Arbitrary<Draft> {
  const of = (place: string) => operation.parameters.filter((one) => one.in === place);
  const params = Object.fromEntries(
    of("path").map(({ name, schema }) => [name, valid(schema, learnedAs(operation.path, name))]),
  );
  const query = of("query").filter((one) => one.name !== "cursor");
  return fc
    .record({
      params: fc.record(params),
      query: fc.record(Object.fromEntries(query.map((one) => [one.name, valid(one.schema, one.name)]))),
      asked: fc.subarray(query.map((one) => one.name)),
      body: operation.body ? valid(operation.body, "body") : fc.constant(undefined),
      key: fc.oneof(
        { weight: 9, arbitrary: fc.constant("own") },
        { weight: 1, arbitrary: fc.constant("all") },
      ),
    })
    .map(({ params, query: values, asked, body, key }) => {
      const needed = query.filter((one) => one.required || asked.includes(one.name)).map((one) => one.name);
      return link({
        operation,
        method: operation.method,
        sender: { key },
        params,
        query: Object.fromEntries(needed.map((name) => [name, values[name]])),
        querySuffix: "",
        bendPath: null,
        headers: [],
        body,
        encoding: null,
        twist: { kind: "none", places: [] },
      });
    });
}

/** The same with no more of a query than it must have, or with pages of one item. */
export function bare(draft: Draft, pageOfOne: boolean): Draft {
  const { parameters } = draft.operation;
  const kept = Object.entries(draft.query).filter(([name]) =>
    parameters.some((one) => one.name === name && one.required),
  );
  const isList = parameters.some((one) => one.name === "limit");
  return { ...draft, query: { ...Object.fromEntries(kept), ...(pageOfOne && isList ? { limit: 1 } : {}) } };
}

// What is named twice in one request (in the path and in the body, say) is the same thing.
function link(draft: Draft): Draft {
  if (typeof draft.body !== "object" || draft.body === null) return draft;
  const body = draft.body as Record<string, unknown>;
  for (const name of Object.keys(body)) {
    for (const named of [draft.params, draft.query]) if (name in named) body[name] = named[name];
  }
  return draft;
}

/** The same without what the body says once more of a parameter that is about to change. */
export function unlinked(draft: Draft, name: string): Draft {
  if (typeof draft.body !== "object" || draft.body === null || !(name in draft.body)) return draft;
  if (draft.operation.body?.required?.includes(name)) return draft;
  const { [name]: _, ...body } = draft.body as Record<string, unknown>;
  return { ...draft, body };
}
