import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  createRateLimiter,
  RATE_LIMITS,
  rateLimitHeaders,
  type RateLimiterOptions,
} from "../../lib/rate-limit.ts";
import { createRedis } from "../../lib/redis.ts";
import { startRedis, type LocalRedis } from "../../local/redis/index.ts";
import { quietPort } from "../support/ports.ts";

// An hour, so that no test meets the end of a window.
const HOUR_SECONDS = 3_600;
const limits = {
  ingest: { requests: 5, windowSeconds: HOUR_SECONDS },
  read: { requests: 2, windowSeconds: HOUR_SECONDS },
};

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-rate-test-"));
const startFront = (port = 0) => startRedis({ dataDir: folder, port, forceMemory: true });
let local: LocalRedis;
let keyCount = 0;
const newKey = () => `key-${++keyCount}`;

beforeAll(async () => {
  local = await startFront();
});
afterAll(async () => {
  await local?.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

// Patience with a busy machine: only what tests the time-out keeps the real one.
const patient = { limits, timeoutMs: 900 };

function limiter(at: { url: string; token: string } | null, options: RateLimiterOptions = patient) {
  const lines: string[] = [];
  const note = (level: string) => (fields: object, message: string) =>
    void lines.push(`${level}: ${message} ${JSON.stringify(fields)}`);
  const log = { info: note("info"), warn: note("warn") };
  return { lines, ...createRateLimiter(at && createRedis(at), log, options) };
}

describe("a limit", () => {
  test("lets through exactly its number of requests, then refuses and says when to come back", async () => {
    const { check, lines } = limiter(local);
    const key = newKey();
    const answers = [];
    for (let i = 0; i < 7; i++) answers.push(await check("ingest", key));
    expect(answers.map((answer) => answer?.allowed)).toEqual([true, true, true, true, true, false, false]);
    expect(answers.map((answer) => answer?.remaining)).toEqual([4, 3, 2, 1, 0, 0, 0]);
    expect(answers[6]).toMatchObject({ rateClass: "ingest", limit: 5, windowSeconds: HOUR_SECONDS });
    expect(answers[6]?.resetSeconds).toBeGreaterThanOrEqual(1);
    expect(answers[6]?.resetSeconds).toBeLessThanOrEqual(HOUR_SECONDS);
    expect(lines).toEqual([]);
  });

  test("holds when all requests come at once", async () => {
    const { check } = limiter(local);
    const key = newKey();
    const answers = await Promise.all(Array.from({ length: 20 }, () => check("ingest", key)));
    expect(answers.filter((answer) => answer?.allowed)).toHaveLength(5);
  });

  test("is one for all instances and another one for each key and class", async () => {
    const [first, second] = [limiter(local), limiter(local)];
    const [key, other] = [newKey(), newKey()];
    await first.check("read", key);
    await second.check("read", key);
    expect(await first.check("read", key)).toMatchObject({ allowed: false });
    expect(await second.check("read", key)).toMatchObject({ allowed: false });
    expect(await first.check("read", other)).toMatchObject({ allowed: true, remaining: 1 });
    expect(await first.check("ingest", key)).toMatchObject({ allowed: true, remaining: 4 });
  });

  test("gives the next request as soon as the window has slid on", async () => {
    const { check } = limiter(local, { ...patient, limits: { read: { requests: 2, windowSeconds: 2 } } });
    const key = newKey();
    await vi.waitFor(async () => expect(await check("read", key)).toMatchObject({ allowed: false }), 5_000);
    await vi.waitFor(async () => expect(await check("read", key)).toMatchObject({ allowed: true }), 5_000);
  });

  test("has a number of requests and a window for each class by default", async () => {
    const { check } = limiter(local, { timeoutMs: 900 });
    const classes = Object.keys(RATE_LIMITS) as (keyof typeof RATE_LIMITS)[];
    expect(classes).toEqual(["ingest", "lookup", "read", "export", "admin"]);
    for (const name of classes) {
      const { requests, windowSeconds } = RATE_LIMITS[name];
      expect(await check(name, newKey())).toMatchObject({
        limit: requests,
        windowSeconds,
        remaining: requests - 1,
      });
    }
  });
});

describe("without limits", () => {
  test("an unconfigured Redis lets everything pass and is said once", async () => {
    const { check, lines } = limiter(null);
    expect([await check("read", "k"), await check("read", "k")]).toEqual([null, null]);
    expect(lines).toEqual(["info: Redis is not configured: requests are not rate-limited {}"]);
  });

  test("Redis away lets requests pass, said once, and limits again when it is back, said once", async () => {
    const front = await startFront(await quietPort());
    const { check, lines } = limiter(front, { ...patient, retryAfterMs: 50 });
    const key = newKey();
    expect(await check("read", key)).toMatchObject({ allowed: true });
    await front.stop();
    for (let i = 0; i < 30; i++) {
      expect(await check("read", key)).toBeNull();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(lines).toEqual([expect.stringMatching(/^warn: Redis is away or slow.*ECONNREFUSED/)]);

    const back = await startFront(Number(new URL(front.url).port));
    try {
      expect(back.url).toBe(front.url);
      await vi.waitFor(async () => expect(await check("read", key)).not.toBeNull(), 5_000);
      for (let i = 0; i < 5; i++) await check("read", key);
      expect(await check("read", key)).toMatchObject({ allowed: false });
      expect(lines.slice(1)).toEqual(["info: Redis is back: requests are rate-limited again {}"]);
    } finally {
      await back.stop();
    }
  });

  test("a Redis that never answers delays the first requests only", async () => {
    const silent = net.createServer((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1");
    await new Promise((resolve) => silent.once("listening", resolve));
    const { port } = silent.address() as net.AddressInfo;
    try {
      const { check, lines } = limiter({ url: `http://127.0.0.1:${port}`, token: "t" }, { limits });
      const start = performance.now();
      expect(await Promise.all(Array.from({ length: 10 }, () => check("read", "k")))).toEqual(
        Array(10).fill(null),
      );
      for (let i = 0; i < 200; i++) expect(await check("read", "k")).toBeNull();
      // Two hundred time-outs would take 50 s.
      expect(performance.now() - start).toBeLessThan(3_000);
      expect(lines).toEqual([expect.stringMatching(/^warn: .*no answer within 250 ms/)]);
    } finally {
      silent.close();
    }
  });

  test("a refused token lets requests pass, and the log holds neither key nor token", async () => {
    const { check, lines } = limiter({ url: local.url, token: "canary-token" });
    expect(await check("read", "canary-key")).toBeNull();
    expect(lines).toEqual([expect.stringMatching(/^warn: .*WRONGPASS/)]);
    expect(lines.join()).not.toContain("canary");
  });
});

describe("headers", () => {
  const result = {
    rateClass: "read",
    limit: 300,
    windowSeconds: 10,
    remaining: 7,
    resetSeconds: 4,
  } as const;

  test("of an allowed request name policy and state", () => {
    expect(rateLimitHeaders({ ...result, allowed: true })).toEqual({
      "RateLimit-Policy": '"read";q=300;w=10',
      RateLimit: '"read";r=7;t=4',
    });
  });

  test("of a refused one say when to try again", () => {
    const headers = rateLimitHeaders({ ...result, remaining: 0, allowed: false });
    expect(headers).toMatchObject({ RateLimit: '"read";r=0;t=4', "Retry-After": "4" });
  });

  test("of an uncounted one are none", () => {
    expect(rateLimitHeaders(null)).toEqual({});
  });
});

describe("the Redis client", () => {
  test("is null without settings and an error with half of them", () => {
    expect(createRedis({})).toBeNull();
    expect(createRedis({ url: "", token: "" })).toBeNull();
    expect(() => createRedis({ url: "http://127.0.0.1:1" })).toThrow(/token/);
  });

  test("gives up on a Redis that never answers", async () => {
    const silent = net.createServer((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1");
    await new Promise((resolve) => silent.once("listening", resolve));
    const { port } = silent.address() as net.AddressInfo;
    const start = performance.now();
    await expect(createRedis({ url: `http://127.0.0.1:${port}`, token: "t" })?.get("k")).rejects.toThrow();
    expect(performance.now() - start).toBeLessThan(3_000);
    silent.close();
  });
});
