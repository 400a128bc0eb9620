import fc from "fast-check";
import type { App } from "../../api/_http/app.ts";
import { bare, learnedAs, plain, type Draft } from "./draft.ts";
import { Learned, resolveLearned } from "./json.ts";
import { createPools, type Pools } from "./learned.ts";
import type { Operation } from "./openapi.ts";
import { send, write, type Answer } from "./send.ts";
import type { Tenant, World } from "./world.ts";

const TRIES_MAX = 60;
const ROUNDS = 3;
const SEED = 1;
export const TENANT_FIELDS = ["workspaceId", "projectId"];

/** What a tenant's key knows, and for every operation a request that it accepts. */
export interface Acquaintance {
  pools: Pools;
  accepted: Map<string, Draft>;
}

export const ask = (app: App, pools: Pools, draft: Draft, secret: string): Promise<Answer> =>
  send(app, write({ ...draft, sender: { key: "asker" } }, pools, { asker: secret }));

/** Sends valid requests as a tenant until every operation accepted one, and keeps it. */
export async function getAcquainted(
  app: App,
  operations: Operation[],
  world: World,
  tenant: Tenant,
  secret: string,
): Promise<Acquaintance> {
  const pools = createPools(operations, world.keyIds);
  for (const name of ["workspaceId", "workspaces"]) pools.pin(name, tenant.workspaces);
  for (const name of ["projectId", "projects"]) pools.pin(name, tenant.projects.slice(0, 4));
  for (const [name, values] of Object.entries(world.known)) pools.pin(name, values);
  const accepted = new Map<string, Draft>();
  const tryOut = async (draft: Draft) => {
    const own = await ask(app, pools, draft, secret);
    const answer = own.status === 403 ? await ask(app, pools, draft, world.secrets.all ?? "") : own;
    const { params } = draft as { params: Record<string, string> };
    if (answer.status < 300) pools.learnFrom(draft, params, answer.json, answer.headers.get("location"));
    return answer;
  };
  // Whatever ends something comes last.
  const ordered = [...operations].toSorted(
    (a, b) => Number(a.method === "DELETE") - Number(b.method === "DELETE"),
  );
  // What one operation makes, another one reads: the second round knows more than the first.
  for (let round = 0; round < ROUNDS; round++) {
    for (const operation of ordered.filter(({ name }) => !accepted.has(name))) {
      for (const sample of fc.sample(plain(operation), { seed: SEED, numRuns: TRIES_MAX })) {
        const draft = frozen(bare(sample, false), pools);
        // Nothing is ended for a try: its turn comes in the matrix.
        const answer = operation.method === "DELETE" ? null : await tryOut(draft);
        if (answer !== null && answer.status >= 300) continue;
        accepted.set(operation.name, draft);
        break;
      }
    }
  }
  return { pools, accepted };
}

const frozen = (draft: Draft, { look }: Pools): Draft => {
  const fill = <T>(value: T) => resolveLearned(value, look) as T;
  return { ...draft, params: fill(draft.params), query: fill(draft.query), body: fill(draft.body) };
};

/** The request with the one scope wherever its body grants some: a key hands on no more than it has. */
export function grantingOnly(draft: Draft, scope: string): Draft {
  const properties = Object.entries(draft.operation.body?.properties ?? {});
  const grants = properties.filter(([, { items }]) => items?.enum?.includes(scope)).map(([name]) => name);
  if (grants.length === 0) return draft;
  return {
    ...draft,
    body: { ...(draft.body as object), ...Object.fromEntries(grants.map((one) => [one, [scope]])) },
  };
}

export interface Elsewhere {
  what: string;
  foreign: Draft;
  missing: Draft;
}

/** The request turned to another tenant's record, and to one that does not exist; one for each thing that it names. */
export function elsewhere(draft: Draft, own: Pools, foreign: Pools): Elsewhere[] {
  const { operation } = draft;
  const inBody = TENANT_FIELDS.filter((name) => operation.body?.required?.includes(name));
  const inItems = Object.entries(operation.body?.properties ?? {}).filter(([, { items }]) =>
    TENANT_FIELDS.some((name) => items?.required?.includes(name)),
  );
  const named: Elsewhere[] = [];
  const valuesOf = (as: string) => {
    const learned = new Learned(as, 0, "nothing");
    const [mine, theirs] = [own.look(learned), foreign.look(learned)];
    const missing = /^[0-9a-f-]{36}$/.test(theirs) ? crypto.randomUUID() : `missing-${crypto.randomUUID()}`;
    return theirs === "nothing" || own.knows(as, theirs) || mine === theirs ? null : { theirs, missing };
  };
  const add = (what: string, as: string, turn: (value: string) => Draft) => {
    const values = valuesOf(as);
    if (values) named.push({ what, foreign: turn(values.theirs), missing: turn(values.missing) });
  };
  const without = withoutTenant(draft);
  // Where a body must name the tenant, an id in the path is one of that tenant's.
  for (const { name } of operation.parameters.filter((one) => one.in === "path" && inBody.length === 0)) {
    add(`path.${name}`, learnedAs(operation.path, name), (value) => ({
      ...without,
      params: { ...without.params, [name]: value },
    }));
  }
  for (const { name } of operation.parameters.filter(
    (one) => one.in === "query" && TENANT_FIELDS.includes(one.name),
  )) {
    add(`query.${name}`, name, (value) => ({ ...without, query: { ...without.query, [name]: value } }));
  }
  for (const name of inBody) {
    add(`body.${name}`, name, (value) => ({ ...draft, body: { ...(draft.body as object), [name]: value } }));
  }
  for (const [list, { items }] of inItems) {
    const name = TENANT_FIELDS.find((one) => items?.required?.includes(one)) ?? "";
    add(`body.${list}[0].${name}`, name, (value) => {
      const [first, ...rest] = (draft.body as Record<string, object[]>)[list] ?? [];
      return { ...draft, body: { [list]: [{ ...first, [name]: value }, ...rest] } };
    });
  }
  return named;
}

function withoutTenant(draft: Draft): Draft {
  const required = draft.operation.body?.required ?? [];
  const keep = ([name]: [string, unknown]) =>
    !TENANT_FIELDS.includes(name) && !(name in draft.params && !required.includes(name));
  if (typeof draft.body !== "object" || draft.body === null) return draft;
  return { ...draft, body: Object.fromEntries(Object.entries(draft.body).filter(keep)) };
}
