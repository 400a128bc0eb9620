import { beforeAll, describe, expect, test } from "vitest";
import { scopes } from "../../services/keys/scopes.ts";
import { newSecret } from "../../services/keys/secret.ts";
import { newId, useApi } from "../support/api.ts";
import { callRaw, expectProblem, newEvent, operations, rowsHolding, type Operation } from "./support.ts";

const api = useApi();
const OPEN = ["GET /docs", "GET /health", "GET /openapi.json", "GET /ready"];
let guarded: Operation[];

beforeAll(async () => {
  guarded = await operations(api);
});

const concrete = (path: string) =>
  path
    .replace("{id}", path.startsWith("/jobs") ? "trail-cleanup" : crypto.randomUUID())
    .replaceAll(/\{(\w+)\}/g, () => crypto.randomUUID());

test("every mounted route is documented as guarded, but for health, ready and the documents", () => {
  const mounted = api.app.routes
    .filter((one) => one.method !== "ALL")
    .map((one) => `${one.method} ${one.path.replace("/api", "").replaceAll(/:(\w+)/g, "{$1}")}`);
  const documented = guarded.map((one) => `${one.method} ${one.path}`);
  expect(documented.length).toBeGreaterThan(20);
  expect(mounted.toSorted()).toEqual([...OPEN, ...documented].toSorted());
});

test.each(OPEN)("%s answers without a key", async (route) => {
  const { status } = await api.call("GET", route.slice("GET ".length), { key: null });
  expect(status).toBe(200);
});

describe("no guarded route answers", () => {
  const refused: [who: string, authorization: () => Promise<string | null>][] = [
    ["no key", async () => null],
    ["an empty header", async () => ""],
    ["another scheme", async () => `Basic ${await api.mintKey()}`],
    ["a key without its scheme", async () => api.mintKey()],
    ["a malformed key", async () => "Bearer afi_short"],
    ["two keys", async () => `Bearer ${await api.mintKey()} ${await api.mintKey()}`],
    ["a key in quotes", async () => `Bearer "${await api.mintKey()}"`],
    ["SQL", async () => "Bearer afi_'or'1'='1"],
    ["an unknown key", async () => `Bearer ${newSecret()}`],
    ["an expired key", async () => `Bearer ${await api.mintKey({ expiresAt: new Date(Date.now() - 1) })}`],
    ["a revoked key", async () => `Bearer ${await revoked()}`],
  ];

  test.each(refused)("to %s", async (_, make) => {
    const authorization = await make();
    for (const { method, path } of guarded) {
      const headers: Record<string, string> = authorization === null ? {} : { authorization };
      const answer = await api.call(method, concrete(path), { key: null, headers });
      expectProblem(answer, 401, "unauthenticated");
      expect(answer.headers.get("www-authenticate")).toContain("Bearer");
    }
  });

  test("a read-only key writes nothing", async () => {
    const ws = newId("ws");
    const key = await api.mintKey({ scopes: scopes.filter((one) => one.endsWith(":read")) });
    expectProblem(await api.call("POST", "/audit/log", { key, body: newEvent(ws) }), 403, "forbidden");
    expect(await rowsHolding(api.db, ws)).toEqual({});
  });
});

test("the answer to a stranger is the same for unknown, expired and revoked keys", async () => {
  const keys = [newSecret(), await api.mintKey({ expiresAt: new Date(0) }), await revoked()];
  const details = await Promise.all(
    keys.map(async (key) => (await api.call("GET", "/audit/events", { key })).body.detail),
  );
  expect(new Set(details).size).toBe(1);
});

test("whoever has no key learns nothing from a body or a query", async () => {
  const answer = await api.call("POST", "/audit/log?x=1", { key: null, body: "{" });
  expectProblem(answer, 401, "unauthenticated");
});

test("what anybody may ask holds nothing of a tenant", async () => {
  const ws = newId("secret-tenant");
  await api.call("POST", "/audit/log", { body: newEvent(ws, { actionType: ws }) });
  await api.call("PUT", `/trails/${ws}`, { body: { projectId: ws, model: ws, contextLayers: 1 } });
  const userId = newId("secret-user");
  const key = await api.mintKey({ workspaces: [ws], projects: [ws], userId });
  await api.call("POST", "/jobs/trail-cleanup/run", { key });
  await api.call("GET", `/audit/events?workspaceId=${ws}`, { key });
  await api.db.rows(
    "worker",
    `insert into alerts (code, subject, severity, message) values ('job.failed', $1, 'warning', $1)`,
    [ws],
  );
  for (const route of OPEN) {
    const answer = await callRaw(api, "GET", route.slice("GET ".length), {});
    const all = JSON.stringify(answer.body) + JSON.stringify([...answer.headers]);
    expect(all).not.toContain("secret-tenant");
    expect(all).not.toContain("secret-user");
  }
});

async function revoked(): Promise<string> {
  const secret = await api.mintKey({ userId: "user-revoked" });
  await api.db.rows("app", "update api_keys set revoked_at = now() where user_id = 'user-revoked'");
  return secret;
}
