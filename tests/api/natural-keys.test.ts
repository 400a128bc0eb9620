import { expect, test } from "vitest";
import { newId, useApi } from "../support/api.ts";
import { expectProblem, newEvent } from "./support.ts";

const api = useApi();

const log = (ws: string, more: object) => api.call("POST", "/audit/log", { body: newEvent(ws, more) });
const batch = (events: object[]) => api.call("POST", "/audit/log/batch", { body: { events } });
const stored = (ws: string) =>
  api.db.rows<{ id: string; event_id: string }>(
    "app",
    "select id, event_id from audit_events where workspace_id = $1 order by created_at, id",
    [ws],
  );

test("twenty clients that send one eventId at once store it once, and all get its id", async () => {
  const ws = newId("ws");
  const answers = await Promise.all(Array.from({ length: 20 }, () => log(ws, { eventId: "e-1" })));
  expect(new Set(answers.map((one) => one.body.id)).size).toBe(1);
  expect(new Set(answers.map((one) => one.body.createdAt)).size).toBe(1);
  expect(answers.map((one) => one.status).toSorted()).toEqual([...Array(19).fill(200), 201]);
  expect(await stored(ws)).toHaveLength(1);
});

test("batches that share eventIds in opposite orders, at once, store each once", async () => {
  const ws = newId("ws");
  const events = Array.from({ length: 40 }, (_, i) => newEvent(ws, { eventId: `e-${i}` }));
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, i) => batch(i % 2 ? events : events.toReversed())),
  );
  expect(answers.map((one) => one.status)).toEqual(Array(10).fill(201));
  const ids = answers.map((one, i) => (i % 2 ? one.body.ids : one.body.ids.toReversed()).join());
  expect(new Set(ids).size).toBe(1);
  expect(await stored(ws)).toHaveLength(40);
});

test("an eventId twice in one batch is stored once, and both places get its id", async () => {
  const ws = newId("ws");
  const one = newEvent(ws, { eventId: "e-1" });
  const { status, body } = await batch([one, newEvent(ws), one]);
  expect(status).toBe(201);
  expect(body.ids[2]).toBe(body.ids[0]);
  expect(await stored(ws)).toHaveLength(2);
});

test("an eventId twice in one batch for different events refuses all of it", async () => {
  const ws = newId("ws");
  const answer = await batch([
    newEvent(ws, { eventId: "e-1" }),
    newEvent(ws),
    newEvent(ws, { eventId: "e-1", actionType: "OTHER" }),
  ]);
  expectProblem(answer, 409, "conflict", "body.events[2].eventId");
  expect(await stored(ws)).toEqual([]);
});

test("a batch that brings known and new events stores the new ones, in the order given", async () => {
  const ws = newId("ws");
  const first = await log(ws, { eventId: "e-1" });
  const { status, body } = await batch(
    ["e-0", "e-1", "e-2", "e-3"].map((eventId) => newEvent(ws, { eventId })),
  );
  expect([status, body.ids[1]]).toEqual([201, first.body.id]);
  expect((await stored(ws)).map((one) => one.event_id)).toEqual(["e-1", "e-0", "e-2", "e-3"]);
});

test("a batch is all or nothing, also when the database refuses its last event", async () => {
  const ws = newId("ws");
  await log(ws, { eventId: "e-9" });
  const events = Array.from({ length: 10 }, (_, i) =>
    newEvent(ws, { eventId: `e-${i}`, resourceId: `${i}` }),
  );
  expectProblem(await batch(events), 409, "conflict", "body.events[9].eventId");
  expect(await stored(ws)).toHaveLength(1);
});

test("one eventId in two workspaces is two events", async () => {
  const [a, b] = [newId("ws"), newId("ws")];
  const [first, second] = [await log(a, { eventId: "e-1" }), await log(b, { eventId: "e-1" })];
  expect([first.status, second.status]).toEqual([201, 201]);
  expect(first.body.id).not.toBe(second.body.id);
});

test("a retry under a new requestId, or with its time in another zone, is the same event", async () => {
  const ws = newId("ws");
  const first = await log(ws, { eventId: "e-1", requestId: "r-1", occurredAt: "2026-01-01T12:00:00Z" });
  const again = await log(ws, { eventId: "e-1", requestId: "r-2", occurredAt: "2026-01-01T14:00:00+02:00" });
  expect([again.status, again.body]).toEqual([200, first.body]);
});
