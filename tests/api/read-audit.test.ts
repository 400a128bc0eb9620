import { describe, expect, test } from "vitest";
import { newId, useApi } from "../support/api.ts";
import { expectProblem, newEvent } from "./support.ts";

const api = useApi();

const recorded = (ws: string, action: string) =>
  api.db.rows(
    "app",
    "select * from audit_events where workspace_id = $1 and action_type = $2 order by created_at, id",
    [ws, action],
  );
const add = async (ws: string) => (await api.call("POST", "/audit/log", { body: newEvent(ws) })).body.id;

describe("reading the audit log", () => {
  test("is an event with reader, key, filter and hour, that the page itself does not show", async () => {
    const [ws, userId] = [newId("ws"), newId("user")];
    const id = await add(ws);
    const key = await api.mintKey({ userId });
    const { body, headers } = await api.call("GET", `/audit/events?workspaceId=${ws}&actorId=user-1`, {
      key,
    });
    expect(body.items.map((one: { id: string }) => one.id)).toEqual([id]);
    const unfiltered = await api.call("GET", `/audit/events?workspaceId=${newId("ws")}&includeTotal=true`, {
      key,
    });
    expect([unfiltered.body.items, unfiltered.body.total]).toEqual([[], 0]);
    const [event, ...more] = await recorded(ws, "READ_AUDIT_LOG");
    expect(more).toEqual([]);
    expect(event).toMatchObject({
      created_by_user_id: userId,
      resource_type: "audit_log",
      request_id: headers.get("x-request-id"),
      metadata: {
        source: "afterimage",
        keyId: expect.stringMatching(/^[0-9a-f-]{36}$/),
        filter: { workspaceId: ws, actorId: "user-1" },
        hour: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:00Z$/),
      },
    });
  });

  test("is one event per key, filter and hour, however often and however many pages", async () => {
    const ws = newId("ws");
    for (let i = 0; i < 3; i++) await add(ws);
    const [one, other] = [await api.mintKey(), await api.mintKey()];
    const query = `/audit/events?workspaceId=${ws}&resourceType=thing`;
    const hour = new Date().getUTCHours();
    const first = await api.call("GET", `${query}&limit=2`, { key: one });
    await api.call("GET", `${query}&limit=2&cursor=${first.body.nextCursor}`, { key: one });
    await api.call("GET", `${query}&includeTotal=true`, { key: one });
    const count = async () => (await recorded(ws, "READ_AUDIT_LOG")).length;
    const hours = new Date().getUTCHours() === hour ? 1 : 2;
    expect(await count()).toBeLessThanOrEqual(hours);
    const before = await count();
    await api.call("GET", `${query}&actorId=user-1`, { key: one });
    expect(await count()).toBe(before + 1);
    await api.call("GET", query, { key: other });
    expect(await count()).toBe(before + 2);
  });

  test("at once from twenty connections is recorded once", async () => {
    const ws = newId("ws");
    const key = await api.mintKey();
    const read = () => api.call("GET", `/audit/events?workspaceId=${ws}`, { key });
    const answers = await Promise.all(Array.from({ length: 20 }, read));
    expect(answers.map((one) => one.status)).toEqual(Array(20).fill(200));
    expect((await recorded(ws, "READ_AUDIT_LOG")).length).toBeLessThanOrEqual(2);
    expect((await recorded(ws, "READ_AUDIT_LOG")).length).toBeGreaterThan(0);
  });

  test("of one event by its id is recorded with that id, in its workspace", async () => {
    const ws = newId("ws");
    const id = await add(ws);
    await api.call("GET", `/audit/events/${id}`);
    const [event] = await recorded(ws, "READ_AUDIT_LOG");
    expect(event).toMatchObject({ resource_id: "event", metadata: { filter: { id } } });
  });

  test("cannot be hidden by an event that a caller wrote in its place", async () => {
    const ws = newId("ws");
    const key = await api.mintKey();
    await api.call("GET", `/audit/events?workspaceId=${ws}`, { key });
    const [event] = await recorded(ws, "READ_AUDIT_LOG");
    const body = newEvent(newId("ws"), { eventId: event?.event_id });
    expectProblem(await api.call("POST", "/audit/log", { body }), 400, "invalid_request", "body.eventId");
  });

  test("that is refused is not recorded as read", async () => {
    const ws = newId("ws");
    const key = await api.mintKey({ scopes: ["events:write"] });
    await api.call("GET", `/audit/events?workspaceId=${ws}`, { key });
    expect(await recorded(ws, "READ_AUDIT_LOG")).toEqual([]);
  });

  test("fails when it cannot be recorded, so that nobody reads unseen", async () => {
    const ws = newId("ws");
    await add(ws);
    await api.db.rows(
      "superuser",
      "revoke execute on function audit.insert_service_event(jsonb) from audit_app",
    );
    try {
      for (const path of ["events?", "events/export?format=csv&"]) {
        const answer = await api.call("GET", `/audit/${path}workspaceId=${ws}`);
        expectProblem(answer, 500, "internal");
        expect(JSON.stringify(answer.body)).not.toContain(ws);
      }
    } finally {
      await api.db.rows(
        "superuser",
        "grant execute on function audit.insert_service_event(jsonb) to audit_app",
      );
    }
  });
});

test("each export is an event of its own, with its filter and format, and not in its own file", async () => {
  const ws = newId("ws");
  await add(ws);
  const userId = newId("user");
  const key = await api.mintKey({ userId });
  const run = () => api.call("GET", `/audit/events/export?format=csv&workspaceId=${ws}`, { key });
  const [first, second] = [await run(), await run()];
  expect(first.body).not.toContain("EXPORT_AUDIT_LOG");
  expect(second.body.match(/EXPORT_AUDIT_LOG/g)).toHaveLength(1);
  const events = await recorded(ws, "EXPORT_AUDIT_LOG");
  expect(events).toHaveLength(2);
  expect(events[0]).toMatchObject({
    created_by_user_id: userId,
    request_id: first.headers.get("x-request-id"),
    metadata: { filter: { workspaceId: ws }, format: "csv" },
  });
});

test("reads across workspaces are kept where only the service writes", async () => {
  const userId = newId("user");
  const key = await api.mintKey({ userId });
  await api.call("GET", "/audit/events", { key });
  const rows = await api.db.rows(
    "app",
    "select workspace_id from audit_events where created_by_user_id = $1 and action_type = 'READ_AUDIT_LOG'",
    [userId],
  );
  expect(rows).toEqual([{ workspace_id: "afterimage" }]);
});
