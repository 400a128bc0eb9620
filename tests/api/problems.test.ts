import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { createApp } from "../../api/_http/create-app.ts";
import type { RateLimitResult } from "../../lib/rate-limit.ts";
import { hashSecret } from "../../services/keys/secret.ts";
import { newId, useApi, type Answer } from "../support/api.ts";
import { waitingFor } from "../support/waits.ts";
import { expectProblem, newEvent, rowsHolding } from "./support.ts";

const api = useApi();

describe("a route that is not", () => {
  test.each(["/nowhere", "/audit", "/audit/log/", "/AUDIT/LOG", "/audit//log", "/", "/_http/app", "/docs/x"])(
    "%s is a 404",
    async (path) => {
      expectProblem(await api.call("GET", path), 404, "not_found");
    },
  );

  test("outside /api is a 404 problem too, with its request id", async () => {
    const response = await api.app.request("http://localhost/audit/log");
    expect([response.status, response.headers.get("content-type")]).toEqual([
      404,
      "application/problem+json",
    ]);
    const { requestId } = (await response.json()) as { requestId: string };
    expect(requestId).toBe(response.headers.get("x-request-id"));
  });
});

describe("a method that a route does not answer", () => {
  test.each([
    ["GET", "/audit/log", "POST"],
    ["PUT", "/audit/log/batch", "POST"],
    ["DELETE", "/audit/events", "GET, HEAD"],
    ["PATCH", "/audit/events/export", "GET, HEAD"],
    ["POST", "/audit/events/0190", "GET, HEAD"],
    ["PUT", "/keys", "GET, HEAD, POST"],
    ["GET", "/keys/0190", "DELETE"],
    ["POST", "/health", "GET, HEAD"],
    ["BREW", "/keys", "GET, HEAD, POST"],
  ])("%s %s is a 405 that allows %s", async (method, path, allow) => {
    const answer = await api.call(method, path);
    expectProblem(answer, 405, "method_not_allowed");
    expect(answer.headers.get("allow")).toBe(allow);
  });

  test("HEAD answers as GET does, without a body; OPTIONS never fails", async () => {
    const paths = ["/health", "/ready", "/docs", "/openapi.json", "/audit/events", "/keys", "/jobs"];
    for (const path of [...paths, "/audit/events/export?format=csv", "/nowhere", "/audit/log"]) {
      const [get, head] = [await api.call("GET", path), await api.call("HEAD", path)];
      expect([path, head.status, head.body]).toEqual([path, get.status, ""]);
      const options = await api.call("OPTIONS", path);
      expect([path, options.status]).toEqual([path, path === "/nowhere" ? 404 : 405]);
    }
  });
});

test("answers are not kept, sniffed or framed", async () => {
  for (const path of ["/audit/events", "/audit/events/export?format=csv", "/nowhere", "/ready"]) {
    const { headers } = await api.call("GET", path);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  }
});

describe("a rate limit", () => {
  const limited = (result: RateLimitResult | null) =>
    createApp({ ...api.runtime, limiter: { check: async () => result } });
  const post = async (result: RateLimitResult | null, ws: string): Promise<Answer> => {
    const response = await limited(result).request("http://localhost/api/audit/log", {
      method: "POST",
      headers: { authorization: `Bearer ${await api.mintKey()}`, "content-type": "application/json" },
      body: JSON.stringify(newEvent(ws)),
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  const base = { rateClass: "ingest", limit: 10, windowSeconds: 10, resetSeconds: 7 } as const;

  test("that is reached is a 429 with Retry-After and what is left, and nothing is written", async () => {
    const ws = newId("ws");
    const answer = await post({ ...base, allowed: false, remaining: 0 }, ws);
    expectProblem(answer, 429, "rate_limited");
    expect(answer.headers.get("retry-after")).toBe("7");
    expect(answer.headers.get("ratelimit")).toBe('"ingest";r=0;t=7');
    expect(answer.headers.get("ratelimit-policy")).toBe('"ingest";q=10;w=10');
    expect(answer.body.detail).toContain("10");
    expect(await rowsHolding(api.db, ws)).toEqual({});
  });

  test("that is not reached says what is left; without one there are no such headers", async () => {
    const within = await post({ ...base, allowed: true, remaining: 9 }, newId("ws"));
    expect([within.status, within.headers.get("ratelimit")]).toEqual([201, '"ingest";r=9;t=7']);
    expect(within.headers.has("retry-after")).toBe(false);
    const none = await post(null, newId("ws"));
    expect([none.status, none.headers.has("ratelimit")]).toEqual([201, false]);
  });

  test("is asked per key and class, and not for a stranger", async () => {
    const asked: string[] = [];
    const limiter = {
      check: async (rateClass: string, keyId: string) => {
        asked.push(`${rateClass} ${keyId}`);
        return null;
      },
    };
    const app = createApp({ ...api.runtime, limiter });
    const key = await api.mintKey();
    const [row] = await api.db.rows("app", "select id from api_keys where secret_hash = $1", [
      hashSecret(key),
    ]);
    const get = (path: string, headers: Record<string, string>) =>
      app.request(`http://localhost/api${path}`, { headers });
    const authorization = `Bearer ${key}`;
    await get("/audit/events", { authorization });
    await get("/audit/events/export?format=csv", { authorization });
    await get("/keys", { authorization });
    await get("/audit/events", {});
    await get("/health", {});
    expect(asked).toEqual([`read ${row?.id}`, `export ${row?.id}`, `admin ${row?.id}`]);
  });
});

describe("a statement that the database gives up", () => {
  test("for its time is a 503 that says how to ask for less", async () => {
    const client = await api.db.pool("superuser").connect();
    try {
      await client.query("begin; lock table audit.audit_events in access exclusive mode");
      const pending = api.call("GET", "/audit/events?limit=1");
      let isAnswered = false;
      void pending.finally(() => (isAnswered = true));
      while (!isAnswered) {
        await api.db.rows("superuser", "select pg_cancel_backend(pid) from unnest($1::int[]) pid", [
          await waitingFor(api.db, { role: "audit_app" }),
        ]);
        await sleep(50);
      }
      const answer = await pending;
      expectProblem(answer, 503, "unavailable");
      expect(answer.body.detail).toMatch(/narrow the query.*from and to/i);
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    } finally {
      await client.query("rollback");
      client.release();
    }
  });

  test("for a lock that it waits for is a 503, writes nothing, and works when sent again", async () => {
    const ws = newId("ws");
    const client = await api.db.pool("superuser").connect();
    try {
      await client.query("begin; lock table audit.audit_events in access exclusive mode");
      const answer = await api.call("POST", "/audit/log", { body: newEvent(ws) });
      expectProblem(answer, 503, "unavailable");
      expect(answer.body.detail).toMatch(/again/);
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    } finally {
      await client.query("rollback");
      client.release();
    }
    expect(await rowsHolding(api.db, ws)).toEqual({});
    expect((await api.call("POST", "/audit/log", { body: newEvent(ws) })).status).toBe(201);
  });
});

test.each<[method: string, path: string, body: unknown, detail: string]>([
  ["POST", "/audit/log", {}, "body.actionType: is required (and 4 more)"],
  ["POST", "/audit/log", newEvent("w", { tags: "canary" }), "body.tags: must be a list"],
  [
    "POST",
    "/audit/log",
    newEvent("w", { occurredAt: "canary" }),
    "body.occurredAt: must be a time with its zone",
  ],
  ["POST", "/audit/log", newEvent("w", { surprise: "canary" }), "body.surprise: is not a known field"],
  ["POST", "/audit/log/batch", { events: [] }, "body.events: must hold at least one event"],
  ["POST", "/keys", { name: "k", scopes: ["canary"] }, "body.scopes[0]: must be events:write, events:read,"],
  ["PUT", "/projects/p/retention", { trailRetentionDays: 0 }, "body.trailRetentionDays: must be at least 1"],
  ["GET", "/audit/events?limit=0", undefined, "query.limit: must be a whole number from 1 to 1000"],
  ["GET", "/audit/events?limit=canary", undefined, "query.limit: must be a whole number from 1 to 1000"],
  ["GET", "/alerts?status=canary", undefined, "query.status: must be open, acknowledged or resolved"],
  ["GET", "/jobs/CANARY", undefined, "path.id: must be the id of a job"],
])("%s %s with %j says in words what to send, and quotes nothing", async (method, path, body, detail) => {
  const answer = await api.call(method, path, { body });
  expectProblem(answer, 400, "invalid_request");
  expect(answer.body.detail).toContain(detail);
  expect(JSON.stringify(answer.body)).not.toMatch(/canary|expected|received|invalid input/i);
});
