import { serve } from "@hono/node-server";
import net from "node:net";
import { describe, expect, test } from "vitest";
import { newId, useApi } from "../support/api.ts";
import { callRaw, expectProblem, inPieces, newEvent, rowsHolding } from "./support.ts";

const api = useApi();
const EVENT_BYTES_MAX = 256 * 1024;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
const JSON_TYPE = { "content-type": "application/json" };

const ids = ["actionType", "resourceType", "resourceId", "workspaceId", "createdByUserId"];
const optionalIds = ["eventId", "requestId"];

const wrong: [field: string, value: unknown][] = [
  ...[...ids, ...optionalIds].flatMap((field): [string, unknown][] =>
    ["", "   ", "\n\t", "x".repeat(201), 1, null, ["x"], {}, true].map((value) => [field, value]),
  ),
  ...ids.map((field): [string, unknown] => [field, undefined]),
  ...["oldValues", "newValues"].flatMap((field): [string, unknown][] =>
    [{}, [], [1], "x", 1, true].map((value) => [field, value]),
  ),
  ...[[], "x", 1, { source: "afterimage" }].map((value): [string, unknown] => ["metadata", value]),
  ...[
    "yesterday",
    "2026-13-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-01T25:00:00Z",
    "2026-01-01T00:00:00",
    "2026-01-01",
    "1800-01-01T00:00:00Z",
    "9999-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "-infinity",
    1,
    null,
  ].map((value): [string, unknown] => ["occurredAt", value]),
  ...["localhost", "1.2.3", "1.2.3.256", "::g", "fe80::1%eth0", "10.0.0.0/8", "", 1].map(
    (value): [string, unknown] => ["ipAddress", value],
  ),
  ["userAgent", "x".repeat(1_001)],
  ["userAgent", 1],
  ["tags", "x"],
  ["tags", Array.from({ length: 51 }, (_, i) => `t${i}`)],
  ["changedFields", {}],
  ["changedFields", Array.from({ length: 1_001 }, (_, i) => `f${i}`)],
  ["eventId", "afterimage:read:x"],
];

const show = (value: unknown) => JSON.stringify(value)?.slice(0, 40) ?? "left out";

describe("POST /audit/log", () => {
  test.each(wrong.map(([field, value]) => [field, show(value), value] as const))(
    "%s = %s is a 400 that names it, and nothing is written",
    async (field, _, value) => {
      const ws = newId("ws");
      const body = newEvent(ws, { resourceId: ws, [field]: value });
      const answer = await api.call("POST", "/audit/log", { body });
      expectProblem(answer, 400, "invalid_request", `body.${field}`);
      expect(answer.body.detail).toContain(field);
      expect(await rowsHolding(api.db, ws)).toEqual({});
    },
  );

  test.each([
    ["tags", [""], "body.tags[0]"],
    ["tags", ["a", "x".repeat(101)], "body.tags[1]"],
    ["tags", ["a", 1], "body.tags[1]"],
    ["changedFields", ["a", ""], "body.changedFields[1]"],
  ])("a wrong item of %s is named by its place", async (field, value, path) => {
    const ws = newId("ws");
    const answer = await api.call("POST", "/audit/log", { body: newEvent(ws, { [field]: value }) });
    expectProblem(answer, 400, "invalid_request", path);
    expect(await rowsHolding(api.db, ws)).toEqual({});
  });

  test("all wrong fields are named at once", async () => {
    const body = { actionType: "", resourceType: 1, tags: {}, more: 1 };
    const { body: problem } = await api.call("POST", "/audit/log", { body });
    const paths = problem.errors.map((one: { path: string }) => one.path).toSorted();
    expect(paths).toEqual([...ids, "tags", "more"].map((field) => `body.${field}`).toSorted());
  });

  test("nobody can write into the service's own workspace, or in the place of its events", async () => {
    const answer = await api.call("POST", "/audit/log", { body: newEvent("afterimage") });
    expectProblem(answer, 400, "invalid_request", "body.workspaceId");
  });

  test("ids of 200 characters are stored, of whatever alphabet", async () => {
    const ws = newId("ws");
    const long = Object.fromEntries([...ids, ...optionalIds].map((field) => [field, "審".repeat(200)]));
    const workspaceId = ws + "審".repeat(200 - ws.length);
    const { status } = await api.call("POST", "/audit/log", { body: { ...long, workspaceId } });
    expect(status).toBe(201);
  });

  test("values come back as they were sent, whatever their keys are called", async () => {
    const ws = newId("ws");
    const values =
      '{"__proto__":{"polluted":1},"constructor":{"prototype":2},"toString":null,"":0,"ü😀":[1.5,-0.25,1e-7,9007199254740991]}';
    const body = `${JSON.stringify(newEvent(ws)).slice(0, -1)},"oldValues":${values},"newValues":{"__proto__":1},"metadata":${values}}`;
    const stored = await api.call("POST", "/audit/log", { body });
    expect(stored.status).toBe(201);
    const response = await api.app.request(`http://localhost/api/audit/events/${stored.body.id}`, {
      headers: { authorization: `Bearer ${await api.mintKey()}` },
    });
    const event = (await response.json()) as Record<string, object>;
    expect(sortedText(event.oldValues)).toBe(sortedText(JSON.parse(values)));
    expect(sortedText(event.metadata)).toBe(sortedText(JSON.parse(values)));
    expect(JSON.stringify(event.newValues)).toBe('{"__proto__":1}');
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    expect(event.changedFields).toContain("__proto__");
  });

  test("32 levels are stored", async () => {
    const deep = "[".repeat(30) + "]".repeat(30);
    const body = `${JSON.stringify(newEvent(newId("ws"))).slice(0, -1)},"newValues":{"a":${deep}}}`;
    expect((await api.call("POST", "/audit/log", { body })).status).toBe(201);
  });

  test("256 KiB are stored, one byte more is a 413", async () => {
    const ws = newId("ws");
    const empty = JSON.stringify(newEvent(ws, { metadata: { fill: "" } }));
    const sized = (bytes: number) =>
      empty.replace('"fill":""', `"fill":"${"x".repeat(bytes - Buffer.byteLength(empty))}"`);
    const over = await api.call("POST", "/audit/log", { body: sized(EVENT_BYTES_MAX + 1) });
    expectProblem(over, 413, "payload_too_large", "body");
    expect(await rowsHolding(api.db, ws)).toEqual({});
    expect((await api.call("POST", "/audit/log", { body: sized(EVENT_BYTES_MAX) })).status).toBe(201);
  });

  test("a client that breaks off leaves nothing behind, and is no fault of ours", async () => {
    const ws = newId("ws");
    const key = await api.mintKey();
    const server = serve({ fetch: api.app.fetch, hostname: "127.0.0.1", port: 0 });
    await new Promise((resolve) => server.once("listening", resolve));
    const before = api.logs.length;
    const socket = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
    const body = JSON.stringify(newEvent(ws));
    socket.write(
      `POST /api/audit/log HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length + 1}\r\n\r\n${body}`,
    );
    setTimeout(() => socket.destroy(), 300);
    await expect.poll(() => api.logs.slice(before).join(""), { timeout: 10_000 }).toContain('"status":400');
    expect(api.logs.slice(before).join("")).not.toContain('"status":5');
    expect(await rowsHolding(api.db, ws)).toEqual({});
    await new Promise((resolve) => server.close(resolve));
  });
});

describe("POST /audit/log/batch", () => {
  const batch = (body: unknown) => api.call("POST", "/audit/log/batch", { body });

  test("several wrong items are each named by their place, and the good ones are not written", async () => {
    const ws = newId("ws");
    const events = Array.from({ length: 6 }, () => newEvent(ws)) as Record<string, unknown>[];
    events[1] = { ...events[1], oldValues: {} };
    events[3] = { ...events[3], actionType: "" };
    events[5] = { ...events[5], tags: ["ok", 1], surprise: 1 };
    const answer = await batch({ events });
    const at = ["[1].oldValues", "[3].actionType", "[5].tags[1]", "[5].surprise"];
    for (const path of at) expectProblem(answer, 400, "invalid_request", `body.events${path}`);
    expect(answer.body.errors).toHaveLength(at.length);
    expect(await rowsHolding(api.db, ws)).toEqual({});
  });

  test("a thousand wrong items are answered in moderate length", async () => {
    const answer = await batch({ events: Array.from({ length: 1_000 }, () => ({ ["x".repeat(1_000)]: 1 })) });
    expectProblem(answer, 400, "invalid_request", "body.events[0].actionType");
    expect(JSON.stringify(answer.body).length).toBeLessThan(64 * 1024);
  });

  test.each([
    ["no events", { events: [] }, "body.events"],
    ["1,001 events", { events: Array.from({ length: 1_001 }, () => newEvent("ws")) }, "body.events"],
    ["one event instead of a list", { events: newEvent("ws") }, "body.events"],
    ["a list that holds null", { events: [null] }, "body.events[0]"],
    ["a list in a list", { events: [[]] }, "body.events[0]"],
  ])("%s are a 400", async (_, body, path) => {
    expectProblem(await batch(body), 400, "invalid_request", path);
  });

  test("one event over 256 KiB is a 413 that names it, also when it is alone", async () => {
    const ws = newId("ws");
    const large = newEvent(ws, { newValues: { fill: "x".repeat(EVENT_BYTES_MAX) } });
    expectProblem(await batch({ events: [newEvent(ws), large] }), 413, "payload_too_large", "body.events[1]");
    expectProblem(await batch({ events: [large] }), 413, "payload_too_large", "body.events[0]");
    expect(await rowsHolding(api.db, ws)).toEqual({});
  });

  test("just under 4 MiB are stored; over it is a 413, with and without a known length", async () => {
    const ws = newId("ws");
    const fill = { newValues: { fill: "x".repeat(200 * 1024) } };
    const events = Array.from({ length: 20 }, () => newEvent(ws, fill));
    const fits = JSON.stringify({ events });
    const over = fits + " ".repeat(BATCH_BYTES_MAX + 1 - fits.length);
    for (const body of [over, inPieces(over)]) {
      const answer = await callRaw(api, "POST", "/audit/log/batch", { headers: JSON_TYPE, body });
      expectProblem(answer, 413, "payload_too_large", "body");
    }
    expect(await rowsHolding(api.db, ws)).toEqual({});
    expect((await batch(over.slice(0, -1))).status).toBe(201);
  });

  test("an eventId that holds another event refuses all, and is named by its place", async () => {
    const ws = newId("ws");
    await api.call("POST", "/audit/log", { body: newEvent(ws, { eventId: "e-1" }) });
    const clash = newEvent(ws, { eventId: "e-1", resourceId: "other" });
    const answer = await batch({ events: [newEvent(ws), clash] });
    expectProblem(answer, 409, "conflict", "body.events[1].eventId");
    expectProblem(await batch({ events: [clash] }), 409, "conflict", "body.events[0].eventId");
    expect((await rowsHolding(api.db, ws)).audit_events).toBe(1);
  });
});

function sortedText(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(sortedText).join()}]`;
  const entries = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}:${sortedText(inner)}`);
  return `{${entries.toSorted().join()}}`;
}
