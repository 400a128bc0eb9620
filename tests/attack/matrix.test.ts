import { beforeAll, describe, expect, test } from "vitest";
import { scopes, type Scope } from "../../services/keys/scopes.ts";
import { useApi } from "../support/api.ts";
import { createWitness, type Query, type Witness } from "./fingerprint.ts";
import { ask, elsewhere, getAcquainted, grantingOnly, TENANT_FIELDS, type Acquaintance } from "./matrix.ts";
import { readOperations, type Operation } from "./openapi.ts";
import type { Answer } from "./send.ts";
import { createWorld, mint, type World } from "./world.ts";

const TIMEOUT_MS = 120_000;

/** Routes that make keys refuse to hand on more than the asking key has. */
const GRANTS = /^\/api\/keys\b/;

const api = useApi();
const query: Query = (text, values) => api.db.rows("superuser", text, values);

let guarded: Operation[];
let world: World;
let mine: Acquaintance;
let theirs: Acquaintance;
let witness: Witness;
let operators: Set<string>;

const draftOf = ({ accepted }: Acquaintance, { name }: Operation) => {
  const draft = accepted.get(name);
  if (!draft) throw new Error(`nothing that ${name} accepts; give tests/attack/world.ts a record for it`);
  return draft;
};

beforeAll(async () => {
  guarded = (await readOperations(api.app)).filter((one) => one.scope !== null);
  world = await createWorld(api.app, query);
  const { own = "", foreign = "" } = world.secrets;
  mine = await getAcquainted(api.app, guarded, world, world.own, own);
  theirs = await getAcquainted(api.app, guarded, world, world.foreign, foreign);
  witness = await createWitness(query);
  operators = new Set();
  for (const operation of guarded.filter((one) => one.method !== "DELETE")) {
    const answer = await ask(api.app, mine.pools, draftOf(mine, operation), own);
    if (answer.status === 403) operators.add(operation.name);
  }
}, TIMEOUT_MS);

/** Whether a path names a record of a tenant's; where a body must name the tenant, the path is within that. */
const namesRecord = ({ name, path, body }: Operation) =>
  path.includes("{") && !operators.has(name) && !TENANT_FIELDS.some((one) => body?.required?.includes(one));

/** Asks, and has nothing written by what is refused; a burst of refusals is noted by itself once. */
async function askAndWatch(...[app, pools, draft, secret]: Parameters<typeof ask>): Promise<Answer> {
  const before = await witness.take();
  const answer = await ask(app, pools, draft, secret);
  if (answer.status < 400) return answer;
  const noted = await query(
    "select from audit.audit_events where request_id = $1 and action_type = 'ACCESS_REFUSED'",
    [answer.headers.get("x-request-id")],
  );
  if (noted.length === 0)
    expect([draft.operation.name, await witness.changedSince(before)]).toEqual([draft.operation.name, []]);
  return answer;
}

const codeOf = ({ json }: Answer) => (json as { code?: string } | undefined)?.code;
const anonymous = ({ status, text }: Answer) => [status, text.replace(/"requestId":"[^"]+"/, "")];

describe("a key with one scope", () => {
  test.each(scopes)(
    "%s passes where this is what a route asks for, and nowhere else",
    async (scope: Scope) => {
      const { own } = world;
      const reaches = [
        {
          reach: "its tenant",
          key: await mint(query, "one", {
            scopes: [scope],
            workspaces: own.workspaces,
            projects: own.projects,
          }),
        },
        { reach: "all tenants", key: await mint(query, "one", { scopes: [scope] }) },
        {
          reach: "another tenant",
          key: await mint(query, "one", {
            scopes: [scope],
            workspaces: ["nobody's"],
            projects: ["nobody's"],
          }),
        },
      ];
      for (const operation of guarded) {
        const existing = grantingOnly(draftOf(mine, operation), scope);
        const missing = elsewhere(existing, mine.pools, theirs.pools).map((one) => one.missing);
        for (const { reach, key } of reaches) {
          for (const draft of [existing, ...missing]) {
            const answer = await askAndWatch(api.app, mine.pools, draft, key.secret);
            const seen = answer.status === 403 ? codeOf(answer) : "passed";
            const isOutside = reach !== "all tenants" && operators.has(operation.name);
            const isRefused = operation.scope !== scope || isOutside;
            // A key hands on no scope and no tenant that it lacks itself; that is no want of the route's own scope.
            const mayHandOn = GRANTS.test(operation.path) && !answer.text.includes(`scope ${scope}`);
            const expected = isRefused ? ["forbidden"] : mayHandOn ? ["passed", "forbidden"] : ["passed"];
            const at = [operation.name, reach];
            expect([...at, seen]).toEqual([
              ...at,
              expect.toSatisfy((one) => expected.includes(one as string)),
            ]);
            expect(answer.status).not.toBe(401);
            expect(answer.status).toBeLessThan(500);
            if (operation.scope !== scope)
              expect(answer.text).toContain(`lacks the scope ${operation.scope}`);
          }
        }
      }
    },
    TIMEOUT_MS,
  );
});

describe("another tenant's record", () => {
  test("answers like one that does not exist, to the byte, by whatever it is named, and stays as it is", async () => {
    const tried: string[] = [];
    for (const operation of guarded.filter((one) => !operators.has(one.name))) {
      for (const { what, foreign, missing } of elsewhere(
        draftOf(mine, operation),
        mine.pools,
        theirs.pools,
      )) {
        const at = `${operation.name} ${what}`;
        const theirAnswer = await askAndWatch(api.app, mine.pools, foreign, world.secrets.own ?? "");
        const noAnswer = await askAndWatch(api.app, mine.pools, missing, world.secrets.own ?? "");
        expect([at, theirAnswer.status, codeOf(theirAnswer)]).toEqual([at, 404, "not_found"]);
        expect([at, ...anonymous(theirAnswer)]).toEqual([at, ...anonymous(noAnswer)]);
        tried.push(at);
      }
    }
    const untried = guarded.filter(
      (one) => namesRecord(one) && !tried.some((at) => at.startsWith(`${one.name} `)),
    );
    expect(untried.map((one) => one.name)).toEqual([]);
    expect(tried.length).toBeGreaterThan(10);
  });

  test("is in no list, page, count or export of a key that does not see it, and in those of one that does", async () => {
    const shown: string[] = [];
    for (const operation of guarded.filter((one) => one.method === "GET" && !one.path.includes("{"))) {
      const isPaged = operation.parameters.some((one) => one.name === "limit");
      const known = draftOf(mine, operation);
      const draft = isPaged ? { ...known, query: { ...known.query, limit: 1_000 } } : known;
      const secret = (name: string) => world.secrets[name] ?? "";
      const wide = await ask(api.app, mine.pools, draft, secret("all"));
      if (wide.text.includes(world.foreign.canary)) shown.push(operation.name);
      const [narrow, other] = [
        await ask(api.app, mine.pools, draft, secret("own")),
        await ask(api.app, mine.pools, draft, secret("foreign")),
      ];
      expect([operation.name, narrow.text.includes(world.foreign.canary)]).toEqual([operation.name, false]);
      expect([operation.name, other.text.includes(world.own.canary)]).toEqual([operation.name, false]);
      if (!isPaged) continue;
      const one = { ...known, query: { ...known.query, limit: 1 } };
      const { nextCursor } = (await ask(api.app, mine.pools, one, secret("all"))).json as {
        nextCursor?: string;
      };
      if (!nextCursor) continue;
      const page = await ask(
        api.app,
        mine.pools,
        { ...draft, query: { ...known.query, limit: 1, cursor: nextCursor } },
        secret("own"),
      );
      expect([operation.name, page.text.includes(world.foreign.canary)]).toEqual([operation.name, false]);
    }
    expect(shown.length).toBeGreaterThanOrEqual(4);
  });
});
