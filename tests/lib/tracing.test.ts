import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readEnv } from "../../lib/env.ts";
import { createLogger } from "../../lib/logger.ts";
import { forgiving } from "../../lib/tracing-otlp.ts";
import { createTracing, noTracing, tracingOptions, type Tracing } from "../../lib/tracing.ts";
import { KIND, startCollector, STATUS, type Collector } from "../support/collector.ts";
import { quietPort } from "../support/ports.ts";

const root = path.resolve(import.meta.dirname, "../..");
const run = promisify(execFile);
const LINES = { away: "traces cannot be sent: they are dropped", back: "traces are sent again" };
const VERCEL_CONTEXT = Symbol.for("@vercel/request-context");

let collector: Collector;
let lines: string[];
const opened: Tracing[] = [];

beforeAll(() => void (process.env.OTEL_BSP_SCHEDULE_DELAY = "20"));
afterAll(() => void delete process.env.OTEL_BSP_SCHEDULE_DELAY);
beforeEach(async () => {
  collector = await startCollector();
  lines = [];
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
  await collector.close();
});

function open({ url = `${collector.url}/v1/traces`, flushEach = false } = {}): Tracing {
  const log = createLogger("info", { write: (line) => void lines.push(line) });
  const tracing = createTracing({ url, flushEach, serviceName: "test", instance: "i-1" }, log);
  opened.push(tracing);
  return tracing;
}

const messages = () => lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
const server = (name: string, traceparent?: string) => ({ name, kind: "server", traceparent }) as const;
const internal = (name: string) => ({ name, kind: "internal" }) as const;
const spansNamed = (name: string) => collector.spans.filter((one) => one.name === name);

async function collected(count: number): Promise<void> {
  await expect.poll(() => collector.spans.length, { timeout: 5_000 }).toBe(count);
}

describe("spans", () => {
  test("nest as the calls that made them, also when fifty run at once", async () => {
    const tracing = open();
    await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        tracing.span(server(`request-${n}`), async () => {
          await sleep(n % 7);
          await tracing.span(internal(`outer-${n}`), async () => {
            await sleep((n * 3) % 5);
            await Promise.all([1, 2].map(() => tracing.span(internal(`inner-${n}`), () => sleep(n % 3))));
          });
        }),
      ),
    );
    await collected(200);
    for (let n = 0; n < 50; n++) {
      const [request] = spansNamed(`request-${n}`);
      const [outer] = spansNamed(`outer-${n}`);
      expect(request?.parentSpanId).toBeUndefined();
      expect([outer?.parentSpanId, outer?.traceId]).toEqual([request?.spanId, request?.traceId]);
      const inner = spansNamed(`inner-${n}`);
      expect(inner).toHaveLength(2);
      expect(inner.map((one) => [one.parentSpanId, one.traceId])).toEqual(
        Array.from(inner, () => [outer?.spanId, request?.traceId]),
      );
    }
    expect(new Set(collector.spans.map((one) => one.traceId)).size).toBe(50);
  });

  test("say the service, the process, their kind and attributes", async () => {
    await open().span({ ...server("first"), attributes: { a: "x" } }, async (span) => {
      span.rename("GET /x");
      span.set({ b: 2 });
    });
    await collected(1);
    expect(collector.spans[0]).toMatchObject({
      name: "GET /x",
      kind: KIND.server,
      attributes: { a: "x", b: 2 },
      resource: { "service.name": "test", "service.instance.id": "i-1" },
      status: { code: STATUS.unset },
    });
    expect(BigInt(collector.spans[0]?.endTimeUnixNano ?? 0)).toBeGreaterThan(1_700_000_000_000_000_000n);
  });

  test("pass on what went wrong, and hold its kind or code but no word of it", async () => {
    const tracing = open();
    const error = Object.assign(new TypeError("CANARY"), { code: "CANARY in a code" });
    const failed = tracing.span(internal("kind"), () => Promise.reject(error));
    await expect(failed).rejects.toBe(error);
    const coded = Object.assign(new Error("CANARY"), { code: "23505", detail: "CANARY" });
    await expect(tracing.span(internal("code"), () => Promise.reject(coded))).rejects.toBe(coded);
    await collected(2);
    for (const [name, type] of [
      ["kind", "TypeError"],
      ["code", "23505"],
    ] as const) {
      const [span] = spansNamed(name);
      expect([span?.status, span?.attributes]).toEqual([{ code: STATUS.error }, { "error.type": type }]);
    }
    expect(collector.bodies.join()).not.toContain("CANARY");
  });
});

describe("a request's traceparent", () => {
  const [traceId, spanId] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];

  test("of a caller who traces makes the span a child of the caller's", async () => {
    await open().span(server("child", `00-${traceId}-${spanId}-01`), async () => undefined);
    await collected(1);
    expect(collector.spans[0]).toMatchObject({ traceId, parentSpanId: spanId });
    expect(collector.spans[0]?.traceState ?? "").toBe("");
  });

  test("of a caller who does not sample is followed", async () => {
    const tracing = open();
    await tracing.span(server("unsampled", `00-${traceId}-${spanId}-00`), async () => {
      await tracing.span(internal("below"), async () => undefined);
    });
    await tracing.span(server("own"), async () => undefined);
    await collected(1);
    expect(collector.spans[0]?.name).toBe("own");
  });

  test.each([
    "",
    "CANARY",
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01-CANARY`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId}-${spanId}-01\n`,
  ])("that is not one (%j) begins a trace of our own", async (traceparent) => {
    await open().span(server("own", traceparent), async () => undefined);
    await collected(1);
    expect(collector.spans[0]?.traceId).not.toBe(traceId);
    expect(collector.spans[0]?.parentSpanId).toBeUndefined();
    expect(collector.bodies.join()).not.toContain("CANARY");
  });
});

describe("a collector", () => {
  test.each(["refuse", "away"] as const)(
    "that is not there (%s) is said once and fails nothing",
    async (mode) => {
      collector.mode = "refuse";
      const url = mode === "away" ? `http://127.0.0.1:${await quietPort()}/v1/traces` : undefined;
      const tracing = open(url === undefined ? {} : { url });
      for (let n = 0; n < 20; n++) {
        expect(await tracing.span(server("x"), async () => n)).toBe(n);
        await sleep(10);
      }
      await expect.poll(messages, { timeout: 10_000 }).toEqual([LINES.away]);
      for (let n = 0; n < 5; n++) {
        await tracing.span(server("x"), async () => undefined);
        await sleep(30);
      }
      expect(messages()).toEqual([LINES.away]);
    },
  );

  test("is said again only after it was back, and is left alone between two tries", async () => {
    let code = 1;
    let tries = 0;
    const exporter = {
      export: (_spans: unknown, done: (result: { code: number }) => void) => {
        tries++;
        done({ code });
      },
      shutdown: async () => undefined,
    };
    const log = createLogger("info", { write: (line) => void lines.push(line) });
    const send = (to: ReturnType<typeof forgiving>) =>
      new Promise<number>((resolve) => to.export([], (result) => resolve(result.code)));
    const eager = forgiving(exporter, log, 0);
    for (code of [0, 1, 1, 1, 0, 0, 1]) expect(await send(eager)).toBe(code);
    expect(messages()).toEqual([LINES.away, LINES.back, LINES.away]);
    const patient = forgiving(exporter, log, 60_000);
    tries = 0;
    for (let n = 0; n < 10; n++) expect(await send(patient)).toBe(1);
    expect(tries).toBe(1);
  });

  test("that never answers slows no span, and closing ends within its bound", async () => {
    collector.mode = "stall";
    const tracing = open();
    const started = performance.now();
    await Promise.all(Array.from({ length: 5_000 }, () => tracing.span(server("x"), async () => undefined)));
    // One that waited for its export would take its whole time-out, 5 s.
    expect(performance.now() - started).toBeLessThan(5_000);
    const closing = performance.now();
    await tracing.close();
    expect(performance.now() - closing).toBeLessThan(12_000);
  });

  test("gets what is left when tracing is closed, also at once", async () => {
    const tracing = open();
    await tracing.span(server("last"), async () => undefined);
    await tracing.close();
    expect(collector.spans.map((one) => one.name)).toEqual(["last"]);
  });
});

test("on Vercel the platform is asked to wait for what each request sends, and for no span below it", async () => {
  const waited: Promise<unknown>[] = [];
  const waitUntil = (promise: Promise<unknown>) => void waited.push(promise);
  Object.assign(globalThis, { [VERCEL_CONTEXT]: { get: () => ({ waitUntil }) } });
  process.env.OTEL_BSP_SCHEDULE_DELAY = "60000";
  try {
    const tracing = open({ flushEach: true });
    await tracing.span(server("request"), async () => {
      await tracing.span(internal("below"), async () => undefined);
      expect(waited).toHaveLength(0);
    });
    expect(waited).toHaveLength(1);
    await Promise.all(waited);
    expect(collector.spans.map((one) => one.name).toSorted()).toEqual(["below", "request"]);
    collector.mode = "refuse";
    await tracing.span(server("refused"), async () => undefined);
    await expect(Promise.all(waited)).resolves.toHaveLength(2);
  } finally {
    Object.assign(globalThis, { [VERCEL_CONTEXT]: undefined });
    process.env.OTEL_BSP_SCHEDULE_DELAY = "20";
  }
});

describe("the environment", () => {
  const options = (more: Record<string, string>) =>
    tracingOptions(readEnv({ DATABASE_URL: "postgresql://x/y", ...more }), "i");
  const base = { OTEL_EXPORTER_OTLP_ENDPOINT: "https://otlp.example.com/base/" };

  test("turns tracing on by an endpoint, of all signals or of traces alone", () => {
    expect(options({})).toBeNull();
    expect(options(base)).toEqual({
      url: "https://otlp.example.com/base/v1/traces",
      serviceName: "afterimage",
      instance: "i",
      flushEach: false,
    });
    const own = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://127.0.0.1:4318/x", OTEL_SERVICE_NAME: "audit" };
    expect(options({ ...base, ...own, VERCEL_ENV: "production" })).toMatchObject({
      url: "http://127.0.0.1:4318/x",
      serviceName: "audit",
      flushEach: true,
    });
    expect(options({ ...base, OTEL_SDK_DISABLED: "true" })).toBeNull();
  });

  test("is refused, without its value, when the endpoint is no URL", () => {
    expect(() => options({ OTEL_EXPORTER_OTLP_ENDPOINT: "CANARY:4318" })).toThrow(
      /OTEL_EXPORTER_OTLP_ENDPOINT/,
    );
    expect(() => options({ OTEL_EXPORTER_OTLP_ENDPOINT: "CANARY:4318" })).not.toThrow(/CANARY/);
  });

  test("says how much is sampled and what headers are sent, by the SDK's own variables", async () => {
    const own = {
      OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0",
      OTEL_EXPORTER_OTLP_HEADERS: "x-team=audit",
    };
    Object.assign(process.env, own);
    try {
      const tracing = open();
      const sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
      await tracing.span(server("dropped"), async () => undefined);
      await tracing.span(server("kept", sampled), async () => undefined);
      await collected(1);
      expect(collector.spans[0]?.name).toBe("kept");
      expect(collector.headers[0]).toMatchObject({ "x-team": "audit", "content-type": "application/json" });
    } finally {
      for (const name of Object.keys(own)) delete process.env[name];
    }
  });
});

describe("without an endpoint", () => {
  test("there is no tracing", async () => {
    const tracing = createTracing(null, createLogger("silent"));
    expect(tracing).toBe(noTracing);
    expect(await tracing.span(server("x"), async () => 7)).toBe(7);
  });

  test("no package of the SDK is loaded, with one they are", { timeout: 90_000 }, async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-modules-"));
    const loaded = async (name: string, more: Record<string, string>) => {
      const script = path.join(root, "tests/support/loaded-modules.ts");
      const { PATH = "" } = process.env;
      const list = path.join(folder, name);
      const env = {
        PATH,
        DATABASE_URL: "postgresql://x@127.0.0.1:1/x",
        TEST_MODULE_LIST: list,
        LOG_LEVEL: "silent",
      };
      const { stdout } = await run(process.execPath, ["--import", "tsx", script], {
        cwd: root,
        env: { ...env, ...more },
      });
      return JSON.parse(stdout) as string[];
    };
    try {
      const [off, on] = await Promise.all([
        loaded("off", {}),
        loaded("on", { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }),
      ]);
      expect(off).toContain("hono");
      const ours = /^@opentelemetry\/(sdk|exporter|otlp|resources|core)|^@vercel\//;
      expect(off.filter((name) => ours.test(name))).toEqual([]);
      expect(on).toEqual(
        expect.arrayContaining(["@opentelemetry/sdk-trace-base", "@opentelemetry/exporter-trace-otlp-http"]),
      );
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
});
