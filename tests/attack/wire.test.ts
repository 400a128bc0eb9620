import { serve, type ServerType } from "@hono/node-server";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { HTTP_LIMITS } from "../../local/http-limits.ts";
import { newEvent, rowsHolding } from "../api/support.ts";
import { newId, useApi } from "../support/api.ts";
import { exchange, request, type Pieces } from "./socket.ts";

const MIB = 1024 * 1024;
const MEMORY_MAX_BYTES = 512 * MIB;

const api = useApi();
let server: ServerType;
let port: number;
let key: string;

beforeAll(async () => {
  // The limits of the real server, with less patience.
  const serverOptions = {
    ...HTTP_LIMITS,
    headersTimeout: 600,
    requestTimeout: 1_200,
    connectionsCheckingInterval: 100,
  };
  server = serve({ fetch: api.app.fetch, hostname: "127.0.0.1", port: 0, serverOptions });
  await new Promise((resolve) => server.once("listening", resolve));
  port = (server.address() as AddressInfo).port;
  key = await api.mintKey();
});
afterAll(() => new Promise((resolve) => server.close(resolve)));
afterEach(async () => {
  const health = await fetch(`http://127.0.0.1:${port}/api/health`);
  expect(health.status).toBe(200);
  const inUse = () => {
    const { total, idle, waiting } = api.runtime.app.connections();
    return { used: total - idle, waiting };
  };
  await expect.poll(inUse, { timeout: 10_000 }).toEqual({ used: 0, waiting: 0 });
});

const send = (pieces: Pieces["pieces"], more: Partial<Pieces> = {}) => exchange(port, { pieces, ...more });
const own = () => ["Host: localhost", `Authorization: Bearer ${key}`];
const eventText = (ws: string) => JSON.stringify(newEvent(ws));
const post = (headers: string[], body: string) =>
  request("POST /api/audit/log", [...own(), "Content-Type: application/json", ...headers], body);
const chunked = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n0\r\n\r\n`;
const whole = (text: string, more: string[] = []) =>
  post([`Content-Length: ${Buffer.byteLength(text)}`, ...more], text);

describe("a request that two servers could read differently", () => {
  /** An outer request whose framing is doubtful, and an inner one that must never be taken for a request. */
  const smuggled: [name: string, make: (inner: string) => string][] = [
    [
      "a length and chunks",
      (inner) => post(["Content-Length: 5", "Transfer-Encoding: chunked"], `0\r\n\r\n${inner}`),
    ],
    [
      "chunks and a length",
      (inner) =>
        post(["Transfer-Encoding: chunked", `Content-Length: ${inner.length + 5}`], `0\r\n\r\n${inner}`),
    ],
    ["two lengths", (inner) => post(["Content-Length: 0", `Content-Length: ${inner.length}`], inner)],
    ["two lengths in one", (inner) => post([`Content-Length: 0, ${inner.length}`], inner)],
    ["a signed length", (inner) => post([`Content-Length: +${inner.length}`], inner)],
    ["a hexadecimal length", (inner) => post(["Content-Length: 0x0"], inner)],
    ["a negative length", (inner) => post(["Content-Length: -1"], inner)],
    ["a length with a space before its colon", (inner) => post([`Content-Length : ${inner.length}`], inner)],
    ["chunks spelled otherwise", (inner) => post(["Transfer-Encoding: xchunked"], inner)],
    [
      "chunks by a tab",
      (inner) => post(["Transfer-Encoding:\tchunked", "Content-Length: 4"], `0\r\n\r\n${inner}`),
    ],
    [
      "chunks that are not last",
      (inner) => post(["Transfer-Encoding: chunked, identity"], `0\r\n\r\n${inner}`),
    ],
    [
      "chunks on a folded line",
      (inner) => post(["X: y", " Transfer-Encoding: chunked", "Content-Length: 4"], `0\r\n\r\n${inner}`),
    ],
    ["a folded length", (inner) => post(["Content-Length:", ` ${inner.length}`], inner)],
    [
      "chunks behind a bare line feed",
      (inner) => post([`X: y\nTransfer-Encoding: chunked`, "Content-Length: 4"], `0\r\n\r\n${inner}`),
    ],
    [
      "chunks behind a bare carriage return",
      (inner) => post([`X: y\rTransfer-Encoding: chunked`, "Content-Length: 4"], `0\r\n\r\n${inner}`),
    ],
    ["NUL in a value", (inner) => post(["X: a\0b", `Content-Length: ${inner.length}`], inner)],
    [
      "a chunk of another size",
      (inner) => post(["Transfer-Encoding: chunked"], `1\r\n${inner}\r\n0\r\n\r\n`),
    ],
    [
      "a chunk size beyond all numbers",
      (inner) => post(["Transfer-Encoding: chunked"], `${"f".repeat(32)}\r\n${inner}\r\n0\r\n\r\n`),
    ],
    ["a chunk with a bare line feed", (inner) => post(["Transfer-Encoding: chunked"], `0\n\n${inner}`)],
    [
      "a body on a GET",
      (inner) =>
        request("GET /api/health", [...own(), "Connection: close", `Content-Length: ${inner.length}`], inner),
    ],
  ];

  test("takes the second request where it is one: after the end of the first", async () => {
    const ws = newId("plain");
    const outer = request("GET /api/health", own());
    const { statuses } = await send([outer + whole(eventText(ws), ["Connection: close"])]);
    expect(statuses).toEqual([200, 201]);
    expect(await rowsHolding(api.db, ws)).toMatchObject({ audit_events: 1 });
  });

  test.each(smuggled)("%s hides no second request", async (_, make) => {
    const ws = newId("smuggled");
    const { statuses, text } = await send([make(whole(eventText(ws), ["Connection: close"]))]);
    expect(statuses.filter((one) => one >= 500 || one === 201)).toEqual([]);
    expect(text).not.toContain(ws);
    expect(await rowsHolding(api.db, ws)).toEqual({});
  });
});

describe("a body that is not what its headers say", () => {
  test.each<[string, (text: string) => string]>([
    ["breaks off", (text) => post(["Content-Length: 5000"], text)],
    ["breaks off within a chunk", (text) => post(["Transfer-Encoding: chunked"], `fff\r\n${text}`)],
    ["goes on after its end", (text) => post([`Content-Length: ${text.length - 1}`], text)],
    [
      "is compressed",
      (text) => whole(gzipSync(text).toString("latin1"), ["Content-Encoding: gzip", "Connection: close"]),
    ],
  ])("and %s is refused and nothing is written", async (_, make) => {
    const ws = newId("broken");
    const { statuses } = await send([Buffer.from(make(eventText(ws)), "latin1")], { end: true });
    expect(statuses.filter((one) => one >= 500 || one < 400)).toEqual([]);
    expect(await rowsHolding(api.db, ws)).toEqual({});
  });

  test("and is too long, in chunks, is a 413 before its end", async () => {
    const ws = newId("long");
    const long = JSON.stringify({ ...newEvent(ws), newValues: { x: "x".repeat(300 * 1024) } });
    const { statuses } = await send([post(["Transfer-Encoding: chunked"], chunked(long))], { answers: 1 });
    expect(statuses[0]).toBe(413);
    expect(await rowsHolding(api.db, ws)).toEqual({});
  });

  test("comes after 100 Continue, once", async () => {
    const ws = newId("expect");
    const body = eventText(ws);
    const head = post([`Content-Length: ${body.length}`, "Expect: 100-continue"], "");
    const { statuses, text } = await send([head, body], { pauseMs: 200, answers: 1 });
    expect(text).toContain("100 Continue");
    expect(statuses).toEqual([201]);
    expect(await rowsHolding(api.db, ws)).toMatchObject({ audit_events: 1 });
  });
});

describe("a client that takes its time", () => {
  test("the real server waits 10 s for headers and 30 s for a body at most", () => {
    expect(HTTP_LIMITS.headersTimeout).toBeLessThanOrEqual(10_000);
    expect(HTTP_LIMITS.requestTimeout).toBeLessThanOrEqual(30_000);
  });

  test("over its body, a byte at a time, is told 408, and nothing is written", async () => {
    const ws = newId("slow");
    const body = eventText(ws);
    const pieces = [post([`Content-Length: ${body.length}`], ""), ...body];
    const { statuses, isEnded } = await send(pieces, { pauseMs: 100 });
    expect([statuses.filter((one) => one !== 408 && one !== 400), isEnded]).toEqual([[], true]);
    expect(await rowsHolding(api.db, ws)).toEqual({});
  });

  test("over its headers is told 408", async () => {
    const { statuses, isEnded } = await send(
      [..."GET /api/health HTTP/1.1\r\nHost: localhost\r\nX: yyyyyyy"],
      { pauseMs: 100 },
    );
    expect([statuses, isEnded]).toEqual([[408], true]);
  });

  test("and goes away in the middle of an export leaves no connection behind", async () => {
    const ws = newId("away");
    const events = Array.from({ length: 1_000 }, () => ({
      ...newEvent(ws),
      newValues: { fill: "x".repeat(2_000) },
    }));
    await api.call("POST", "/audit/log/batch", { body: { events } });
    const get = request(`GET /api/audit/events/export?format=ndjson&workspaceId=${ws}`, own());
    const answers = await Promise.all(Array.from({ length: 8 }, () => send([get], { answers: 1 })));
    expect(answers.map((one) => one.statuses[0])).toEqual(Array(8).fill(200));
  });
});

describe("headers without measure", () => {
  test.each<[string, string[]]>([
    ["one of 64 KiB", [`X: ${"y".repeat(64 * 1024)}`]],
    ["5,000 of them", Array.from({ length: 5_000 }, (_, i) => `X-${i}: yyyyyyyyyy`)],
    ["a name of 64 KiB", [`${"X".repeat(64 * 1024)}: y`]],
  ])("%s are a 431", async (_, headers) => {
    const { statuses } = await send([request("GET /api/health", [...own(), ...headers])], { answers: 1 });
    expect(statuses).toEqual([431]);
  });

  test("a target of 64 KiB is a 4xx", async () => {
    const { statuses } = await send([request(`GET /api/trails?model=${"x".repeat(64 * 1024)}`, own())], {
      answers: 1,
    });
    expect(statuses).toEqual([431]);
  });
});

describe("a target or host that means something else", () => {
  test.each<[string, string, string[]]>([
    ["absolute form", "GET http://evil.example/api/keys", ["Host: localhost"]],
    ["absolute form with credentials", "GET http://a:b@evil.example/api/keys", ["Host: localhost"]],
    ["a star", "OPTIONS *", ["Host: localhost"]],
    ["no slash", "GET api/keys", ["Host: localhost"]],
    ["an authority", "CONNECT evil.example:443", ["Host: localhost"]],
    ["two hosts", "GET /api/keys", ["Host: localhost", "Host: evil.example"]],
    ["no host", "GET /api/keys", []],
    ["a host with a path", "GET /api/keys", ["Host: evil.example/api/health?"]],
    ["a host with spaces", "GET /api/keys", ["Host: a b"]],
    ["an empty host", "GET /api/keys", ["Host: "]],
    ["a host that is no host", "GET /api/keys", ["Host: [::1"]],
    ["an odd method", "BREW /api/keys", ["Host: localhost"]],
    ["TRACE", "TRACE /api/keys", ["Host: localhost"]],
  ])("%s opens nothing", async (_, line, headers) => {
    const { statuses } = await send([request(line, [...headers, "Connection: close"])], { end: true });
    expect(statuses.filter((one) => one < 400 || one >= 500)).toEqual([]);
    expect(statuses.length).toBeLessThanOrEqual(1);
  });

  test("a host that lies appears nowhere in an answer", async () => {
    const body = eventText(newId("ws"));
    const line = request(
      "POST /api/audit/log",
      [
        "Host: evil.example",
        `Authorization: Bearer ${key}`,
        "Content-Type: application/json",
        `Content-Length: ${body.length}`,
      ],
      body,
    );
    const { statuses, text } = await send([line], { answers: 1 });
    expect(statuses).toEqual([201]);
    expect(text).not.toContain("evil.example");
  });

  test("HTTP/1.0 is answered, and the connection ends", async () => {
    const { statuses, isEnded } = await send(["GET /api/health HTTP/1.0\r\n\r\n"]);
    expect([statuses, isEnded]).toEqual([[200], true]);
  });
});

test("requests in a row on one connection are answered in order, each for its own key", async () => {
  const tenants = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const ws = newId("pipe");
      await api.call("POST", "/audit/log", { body: newEvent(ws) });
      return { ws, key: await api.mintKey({ workspaces: [ws] }) };
    }),
  );
  const asked = Array.from(
    { length: 40 },
    (_, i) => tenants[(i * 7) % tenants.length] as (typeof tenants)[0],
  );
  const row = asked.map((one, i) =>
    request("GET /api/audit/events?actionType=TEST_EVENT", [
      "Host: localhost",
      `Authorization: Bearer ${one.key}`,
      ...(i === asked.length - 1 ? ["Connection: close"] : []),
    ]),
  );
  const { statuses, text } = await send([row.join("")]);
  expect(statuses).toEqual(asked.map(() => 200));
  const shown = [...text.matchAll(/"workspaceId":"([^"]+)"/g)].map((one) => one[1]);
  expect(shown).toEqual(asked.map((one) => one.ws));
});

describe("a bomb of JSON", () => {
  const keys = (count: number) => Array.from({ length: count }, (_, i) => `"k${i}":{}`).join(",");
  const bombs: [
    name: string,
    route: string,
    make: () => string | Uint8Array<ArrayBuffer>,
    headers?: Record<string, string>,
  ][] = [
    ["4 MiB of [", "/audit/log/batch", () => "[".repeat(4 * MIB - 10)],
    ["a million objects deep", "/audit/log/batch", () => `${'{"a":'.repeat(700_000)}1${"}".repeat(700_000)}`],
    ["a name of 1 MB", "/audit/log/batch", () => `{"${"k".repeat(1_000_000)}":1}`],
    ["100,000 unknown fields", "/audit/log/batch", () => `{${keys(100_000)}}`],
    ["100,000 wrong events", "/audit/log/batch", () => `{"events":[${Array(100_000).fill("{}").join(",")}]}`],
    [
      "1,000 events with 1,000 wrong fields",
      "/audit/log/batch",
      () =>
        `{"events":[${Array(1_000)
          .fill(`{${keys(300)}}`)
          .join(",")}]}`,
    ],
    ["a number of a million digits", "/audit/log/batch", () => `{"events":${"9".repeat(1_000_000)}}`],
    ["a fraction of a million digits", "/audit/log/batch", () => `{"events":0.${"9".repeat(1_000_000)}}`],
    [
      "200,000 escaped halves of pairs",
      "/audit/log/batch",
      () => `{"events":"${"\\ud800".repeat(200_000)}"}`,
    ],
    ["the same name 200,000 times", "/audit/log/batch", () => `{${Array(200_000).fill('"a":1').join(",")}}`],
    [
      "100 MiB in 100 KB of gzip",
      "/audit/log/batch",
      () => new Uint8Array(gzipSync(Buffer.alloc(100 * MIB, " "))),
      { "content-encoding": "gzip" },
    ],
    ["300 KiB of spaces", "/audit/log", () => " ".repeat(300 * 1024)],
  ];

  test.each(bombs)("%s is a 4xx in little memory", async (_, route, make, more = {}) => {
    const before = process.memoryUsage().rss;
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", ...more };
    const answer = await fetch(`http://127.0.0.1:${port}/api${route}`, {
      method: "POST",
      headers,
      body: make(),
    });
    const text = await answer.text();
    expect([400, 413]).toContain(answer.status);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(text.length).toBeLessThan(100_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(MEMORY_MAX_BYTES);
  });
});
