import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createApp } from "../../api/_http/create-app.ts";
import type { App } from "../../api/_http/app.ts";
import { readEnv } from "../../lib/env.ts";
import { createLogger } from "../../lib/logger.ts";
import { createRuntime, type Runtime } from "../../services/runtime.ts";
import { caller, newId, useApi, type Call } from "../support/api.ts";
import { KIND, startCollector, STATUS, type CollectedSpan, type Collector } from "../support/collector.ts";
import { newEvent, operations } from "./support.ts";

const api = useApi();

let collector: Collector;
let runtime: Runtime;
let app: App;
let call: Call;
let keyId: string;

beforeAll(async () => {
  process.env.OTEL_BSP_SCHEDULE_DELAY = "20";
  collector = await startCollector();
  ({ runtime, app } = openTo(collector.url));
  const body = { name: "traced", scopes: ["events:write", "events:read", "trails:write", "keys:manage"] };
  const made = (await api.call("POST", "/keys", { body })).body;
  keyId = made.key.id;
  call = caller(app, made.secret);
});
afterAll(async () => {
  delete process.env.OTEL_BSP_SCHEDULE_DELAY;
  await runtime.close();
  await collector.close();
});

function openTo(endpoint: string, more: Record<string, string> = {}) {
  const env = readEnv({ ...api.db.serviceEnv(), OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...more });
  const log = createLogger("silent");
  const runtime = createRuntime(env, {
    log,
    limiter: { check: async () => null },
    send: async () => undefined,
  });
  return { runtime, app: createApp(runtime) };
}

/** The span of the request with this id and those below it, once all are there. */
async function traceOf(requestId: string | null, belowMin = 0) {
  const find = () => collector.spans.find((one) => one.attributes["afterimage.request_id"] === requestId);
  const below = () => collector.spans.filter((one) => one.parentSpanId === find()?.spanId);
  await expect.poll(() => find() !== undefined && below().length >= belowMin, { timeout: 5_000 }).toBe(true);
  return { request: find() as CollectedSpan, below: below() };
}

const requestIdOf = (answer: { headers: Headers }) => answer.headers.get("x-request-id");

describe("a request's span", () => {
  test("is named by method and route, with the answer's status, the request's id and the key's", async () => {
    const answer = await call("GET", `/audit/events/${crypto.randomUUID()}`);
    const { request } = await traceOf(requestIdOf(answer));
    expect(request).toMatchObject({
      name: "GET /audit/events/:id",
      kind: KIND.server,
      events: [],
      links: [],
    });
    expect(request.status).toEqual({ code: STATUS.unset });
    expect(request.attributes).toEqual({
      "http.request.method": "GET",
      "http.route": "/audit/events/:id",
      "http.response.status_code": 404,
      "afterimage.request_id": requestIdOf(answer),
      "afterimage.key_id": keyId,
    });
    expect(request.resource["service.instance.id"]).toBe(runtime.metrics.instance);
  });

  test.each([
    ["GET", "/nowhere", "GET", { "http.request.method": "GET", "http.response.status_code": 404 }],
    ["BREW", "/nowhere", "HTTP", { "http.request.method": "_OTHER", "http.response.status_code": 404 }],
    ["DELETE", "/audit/events", "DELETE /audit/events", { "http.response.status_code": 405 }],
  ])("of %s %s is %s", async (method, path, name, attributes) => {
    const answer = await call(method, path);
    const { request } = await traceOf(requestIdOf(answer));
    expect(request).toMatchObject({ name, attributes });
    expect("http.route" in request.attributes).toBe(name.includes("/"));
  });

  test("is a child of the caller's", async () => {
    const [traceId, spanId] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
    const headers = { traceparent: `00-${traceId}-${spanId}-01`, tracestate: "vendor=CANARY" };
    const { request } = await traceOf(requestIdOf(await call("GET", "/health", { headers })));
    expect([request.traceId, request.parentSpanId]).toEqual([traceId, spanId]);
  });

  test("is an error when the service failed, and its statement says by which code", async () => {
    await api.db.rows("superuser", "alter table audit.audit_events rename to renamed");
    try {
      const answer = await call("GET", "/audit/events?limit=1");
      const { request, below } = await traceOf(requestIdOf(answer), 1);
      expect([answer.status, request.status.code, request.attributes["error.type"]]).toEqual([
        500,
        STATUS.error,
        "500",
      ]);
      const failed = below.find((one) => one.status.code === STATUS.error);
      expect(failed?.attributes).toMatchObject({ "db.operation.name": "SELECT", "error.type": "42P01" });
      expect(failed?.status.message ?? "").toBe("");
    } finally {
      await api.db.rows("superuser", "alter table audit.renamed rename to audit_events");
    }
  });
});

describe("statements", () => {
  test("are spans below their request, also when fifty of them share ten connections", async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, async (_, n) =>
        n % 2 === 0
          ? call("POST", "/audit/log", { body: newEvent(newId("ws")) })
          : call("PUT", `/trails/${newId("msg")}`, {
              body: { projectId: newId("proj"), model: "m", contextLayers: 1 },
              headers: { "idempotency-key": newId("key") },
            }),
      ),
    );
    for (const [n, answer] of answers.entries()) {
      expect(answer.status).toBe(201);
      const expected = n % 2 === 0 ? ["SELECT"] : ["BEGIN", "SELECT", "WITH", "SELECT", "COMMIT"];
      const { request, below } = await traceOf(requestIdOf(answer), expected.length);
      const inOrder = below.toSorted((a, b) =>
        Number(BigInt(a.startTimeUnixNano) - BigInt(b.startTimeUnixNano)),
      );
      expect(inOrder.map((one) => one.name)).toEqual(expected);
      for (const one of below) {
        expect(one).toMatchObject({ kind: KIND.client, traceId: request.traceId, events: [] });
        expect(one.attributes).toEqual({ "db.system.name": "postgresql", "db.operation.name": one.name });
      }
    }
  });
});

test("nothing that a caller sent is in any span, whatever it sent and wherever", async () => {
  const canary = "CANARY";
  for (const { method, path, hasBody } of await operations(api)) {
    const at = path.replaceAll(/\{\w+\}/g, canary);
    for (const body of [
      { [canary]: canary },
      { name: canary, projectId: canary, model: canary, events: [] },
    ]) {
      await call(method, `${at}?${canary}=${canary}`, {
        body: hasBody ? body : undefined,
        headers: {
          "idempotency-key": canary,
          "user-agent": canary,
          "x-request-id": canary,
          tracestate: `a=${canary}`,
          baggage: `a=${canary}`,
          traceparent: canary,
        },
      });
    }
  }
  const event = newEvent(canary, { actionType: canary, eventId: canary, newValues: { canary } });
  await call("POST", "/audit/log", { body: event });
  await call("POST", "/audit/log", { body: { ...event, actionType: `${canary}2` } });
  const last = await call("GET", `/audit/events?workspaceId=${canary}&text=${canary}`, {
    headers: { origin: canary },
  });
  expect(last.body.items).toHaveLength(1);
  await traceOf(requestIdOf(last), 1);
  expect(collector.spans.length).toBeGreaterThan(60);
  expect(collector.bodies.filter((body) => /canary/i.test(body))).toEqual([]);
});

test("a collector that never answers fails no request, and the runtime closes within its bound", async () => {
  const silent = await startCollector();
  silent.mode = "stall";
  const { runtime, app } = openTo(silent.url);
  const answers = await Promise.all(Array.from({ length: 100 }, () => caller(app, "none")("GET", "/health")));
  expect(new Set(answers.map((one) => one.status))).toEqual(new Set([200]));
  const started = performance.now();
  await runtime.close();
  expect(performance.now() - started).toBeLessThan(10_000);
  await silent.close();
});

test("without an endpoint no span is sent and the statements are the driver's own", async () => {
  const before = collector.spans.length;
  expect(api.runtime.tracing.isOn).toBe(false);
  expect((await api.call("GET", "/audit/events?limit=1")).status).toBe(200);
  expect(collector.spans.length).toBe(before);
});
