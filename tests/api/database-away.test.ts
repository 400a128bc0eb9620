import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createApp } from "../../api/_http/create-app.ts";
import type { App } from "../../api/_http/app.ts";
import { readEnv } from "../../lib/env.ts";
import { createLogger } from "../../lib/logger.ts";
import { createRuntime, type Runtime } from "../../services/runtime.ts";
import { newId, useApi, type Answer } from "../support/api.ts";
import { startProxy, type Proxy } from "../support/proxy.ts";
import { expectProblem, newEvent, operations } from "./support.ts";

const api = useApi();
const POOL_SIZE = 5;
const CLIENTS = 16;
const NAME = newId("away");
const ANSWER_WITHIN_MS = 8_000;
const BACK_WITHIN_MS = 5_000;

let proxy: Proxy;
let runtime: Runtime;
let app: App;
let key: string;
const unhandled: unknown[] = [];
const note = (error: unknown) => void unhandled.push(error);

beforeAll(async () => {
  proxy = await startProxy(Number(new URL(api.db.serviceUrl("app")).port));
  const through = (url: string) => `${proxy.through(url)}?application_name=${NAME}`;
  const env = readEnv({ ...api.db.serviceEnv(through), DATABASE_POOL_SIZE: String(POOL_SIZE) });
  const log = createLogger("info", { write: () => undefined });
  runtime = createRuntime(env, { log, limiter: { check: async () => null }, send: async () => undefined });
  app = createApp(runtime);
  key = await api.mintKey();
  process.on("unhandledRejection", note);
});
afterAll(async () => {
  process.off("unhandledRejection", note);
  await runtime.close();
  await proxy.close();
});
beforeEach(() => proxy.restore());

async function call(method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await app.request(`http://localhost/api${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : text, headers: response.headers };
}

const VALID_BODIES: Record<string, unknown> = {
  "/audit/log": newEvent("ws-away"),
  "/audit/log/batch": { events: [newEvent("ws-away")] },
  "/trails/{messageId}": { projectId: "proj-away", model: "m", contextLayers: 1 },
  "/projects/{projectId}/retention": { trailRetentionDays: 9 },
  "/retention/{workspaceId}": {
    hotRetentionDays: 1,
    warmArchiveDays: 2,
    coldRetentionDays: 3,
    isComplianceMode: false,
  },
  "/holds": { workspaceId: "ws-away", reason: "away" },
  "/keys": { name: "k", scopes: ["events:read"] },
  "/restores/preview": { target: { transactionId: "1" }, reason: "away" },
  "/restores": { target: { transactionId: "1" }, reason: "away" },
  "/restores/{id}/rollback": { reason: "away" },
};

async function everyRoute(): Promise<[method: string, path: string, body: unknown][]> {
  // Metrics have an answer of their own: tests/api/metrics-away.test.ts.
  const operable = (await operations(api)).filter((one) => one.path !== "/metrics");
  return operable.map(({ method, path, hasBody }) => {
    const at = path
      .replace("{id}", path.startsWith("/jobs") ? "trail-cleanup" : crypto.randomUUID())
      .replace("{week}", "2026-W01")
      .replace("{runId}", crypto.randomUUID())
      .replaceAll(/\{\w+\}/g, "x");
    const query = at.endsWith("/export")
      ? "?format=csv"
      : at.endsWith("/at")
        ? "?time=2026-01-01T00:00:00Z"
        : "";
    const body = method === "PATCH" ? { model: "m" } : (VALID_BODIES[path] ?? {});
    return [method, at + query, hasBody ? body : undefined];
  });
}

async function expectAllAway(): Promise<void> {
  const routes = await everyRoute();
  expect(routes.length).toBeGreaterThan(20);
  const started = performance.now();
  await Promise.all(
    routes.map(async ([method, path, body]) => {
      const answer = await call(method, path, body);
      expect([method, path, answer.status]).toEqual([method, path, 503]);
      expectProblem(answer, 503, "unavailable");
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    }),
  );
  expect(performance.now() - started).toBeLessThan(ANSWER_WITHIN_MS);
}

async function expectNoLeaks(): Promise<void> {
  const inUse = () => {
    const { total, idle, waiting } = runtime.app.connections();
    return total - idle + waiting;
  };
  await expect.poll(inUse, { timeout: 10_000 }).toBe(0);
  expect(runtime.app.connections().total).toBeLessThanOrEqual(POOL_SIZE);
  const atServer = async () =>
    (await api.db.rows("superuser", "select from pg_stat_activity where application_name = $1", [NAME]))
      .length;
  await expect.poll(atServer, { timeout: 10_000 }).toBeLessThanOrEqual(POOL_SIZE);
  expect(await atServer()).toBeGreaterThan(0);
  const stuck = await api.db.rows(
    "superuser",
    "select from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'",
  );
  expect(stuck).toEqual([]);
}

describe("while the database is away", () => {
  test("every route answers 503 with Retry-After within seconds; health and the documents go on", async () => {
    expect((await call("GET", "/audit/events?limit=1")).status).toBe(200);
    await proxy.cut();
    await expectAllAway();
    expect((await call("GET", "/health")).status).toBe(200);
    expect((await call("GET", "/openapi.json")).status).toBe(200);
    const ready = await call("GET", "/ready");
    expect([ready.status, ready.body.status]).toEqual([503, "fail"]);
    expect(Number(ready.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(JSON.stringify(ready.body)).not.toContain(new URL(api.db.url("app")).password);
    await proxy.restore();
    await expect.poll(async () => (await call("GET", "/ready")).status, { timeout: 10_000 }).toBe(200);
    await expectNoLeaks();
    expect(unhandled).toEqual([]);
  });

  test("requests that were under way when it went are answered, and write once when they are sent again", async () => {
    const ws = newId("ws");
    const send = (i: number) => call("POST", "/audit/log", newEvent(ws, { eventId: `e-${i}` }));
    await send(0);
    const running = Array.from({ length: 200 }, (_, i) => send(i));
    await Promise.race(running);
    await proxy.cut();
    const statuses = (await Promise.all(running)).map((one) => one.status);
    for (const status of statuses) expect([200, 201, 503]).toContain(status);
    expect(statuses).toContain(503);
    await proxy.restore();
    // On a busy machine some wait longer for one of the new connections than a request may.
    let left = Array.from({ length: 200 }, (_, i) => i);
    while (left.length > 0) {
      const again = await Promise.all(left.map(async (i) => ({ i, status: (await send(i)).status })));
      for (const { status } of again) expect([200, 201, 503]).toContain(status);
      left = again.filter(({ status }) => status === 503).map(({ i }) => i);
    }
    const rows = await api.db.rows("app", "select from audit_events where workspace_id = $1", [ws]);
    expect(rows).toHaveLength(200);
    await expectNoLeaks();
    expect(unhandled).toEqual([]);
  });
});

test("sixteen clients have their first success within 5 s of its return, and no connection leaks", async () => {
  const ws = newId("ws");
  await proxy.cut();
  let isOver = false;
  const first: number[] = [];
  let restored = Infinity;
  const clients = Array.from({ length: CLIENTS }, async (_, i) => {
    for (let n = 0; !isOver; n++) {
      const { status } = await call("POST", "/audit/log", newEvent(ws, { eventId: `c-${i}-${n}` }));
      if (status === 201) return void first.push(performance.now() - restored);
      expect(status).toBe(503);
    }
  });
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(first).toEqual([]);
  restored = performance.now();
  await proxy.restore();
  await Promise.race([
    Promise.all(clients),
    new Promise((resolve) => setTimeout(resolve, BACK_WITHIN_MS + 1_000)),
  ]);
  isOver = true;
  expect(first).toHaveLength(CLIENTS);
  expect(Math.max(...first)).toBeLessThan(BACK_WITHIN_MS);
  await expectNoLeaks();
  expect(unhandled).toEqual([]);
});

test("a database that takes connections and says nothing is a 503, too", async () => {
  await proxy.cut();
  await proxy.restore();
  proxy.stall();
  const started = performance.now();
  const answers = await Promise.all(
    Array.from({ length: CLIENTS }, () => call("GET", "/audit/events?limit=1")),
  );
  for (const answer of answers) expectProblem(answer, 503, "unavailable");
  expect(performance.now() - started).toBeLessThan(ANSWER_WITHIN_MS);
  await proxy.cut();
  await proxy.restore();
  expect((await call("GET", "/audit/events?limit=1")).status).toBe(200);
  await expectNoLeaks();
  expect(unhandled).toEqual([]);
});
