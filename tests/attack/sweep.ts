import { bare, type Draft } from "./draft.ts";
import { WILDCARDS } from "./hostile.ts";

/** What is tried on every operation once, and left to no chance; from a valid request to it. */
export function sweep(draft: Draft): Draft[] {
  return [...atTheDoor(draft), ...wildcards(draft)];
}

/** Whoever has no key, or too little of one. */
const atTheDoor = (draft: Draft): Draft[] =>
  [{ key: "narrow" }, { authorization: null }].map((sender) => ({ ...draft, sender }));

/** Each text that a list is filtered by, alone: a filter of several would hide what one lets through. */
function wildcards(draft: Draft): Draft[] {
  const { method, parameters } = draft.operation;
  const filters = parameters.filter(
    ({ in: place, schema }) =>
      place === "query" && method === "GET" && schema.type === "string" && !schema.enum && !schema.format,
  );
  return filters.flatMap(({ name }) =>
    WILDCARDS.map((text) => {
      const { query, ...rest } = bare(draft, false);
      const twist = { kind: "wildcard", places: [`query.${name}`] };
      return { ...rest, sender: { key: "own" }, query: { ...query, [name]: text }, twist };
    }),
  );
}
