import { describe, expect, test } from "vitest";
import { newId, useApi } from "../support/api.ts";

const api = useApi();

const newEvent = (workspaceId: string, more: object = {}) => ({
  actionType: "TEST_EVENT",
  resourceType: "workspace",
  resourceId: "ws-123",
  workspaceId,
  createdByUserId: "user-123",
  ...more,
});

describe("POST /audit/log", () => {
  test("the event of the guide's curl is stored", async () => {
    const body = newEvent("ws-123");
    const { status, body: stored } = await api.call("POST", "/audit/log", { body });
    expect(status).toBe(201);
    expect(new Date(stored.createdAt).toISOString()).toBe(stored.createdAt);
    const [row] = await api.db.rows(
      "app",
      "select * from audit_events where action_type = 'TEST_EVENT' order by created_at desc limit 1",
    );
    expect(row).toMatchObject({ id: stored.id, workspace_id: "ws-123", created_by_user_id: "user-123" });
  });

  test("an empty actionType is a 400 that names the field, and stores nothing", async () => {
    const ws = newId("ws");
    const { status, body } = await api.call("POST", "/audit/log", { body: newEvent(ws, { actionType: "" }) });
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: "invalid_request", errors: [{ path: "body.actionType" }] });
    expect(await api.db.rows("app", "select from audit_events where workspace_id = $1", [ws])).toHaveLength(
      0,
    );
  });

  test("null for values or metadata is the same as leaving them out", async () => {
    const ws = newId("ws");
    const nothing = { oldValues: null, newValues: null, metadata: null };
    const { status, body } = await api.call("POST", "/audit/log", { body: newEvent(ws, nothing) });
    expect(status).toBe(201);
    expect((await api.call("GET", `/audit/events/${body.id}`)).body).toMatchObject(nothing);
  });

  test("an eventId is stored once, and holding another event is a conflict", async () => {
    const ws = newId("ws");
    const body = newEvent(ws, { eventId: "e-1", newValues: { a: 1 } });
    const first = await api.call("POST", "/audit/log", { body });
    const again = await api.call("POST", "/audit/log", { body });
    const other = await api.call("POST", "/audit/log", { body: { ...body, newValues: { a: 2 } } });
    expect([first.status, again.status, other.status]).toEqual([201, 200, 409]);
    expect(again.body).toEqual(first.body);
    expect(other.body.errors).toEqual([expect.objectContaining({ path: "body.eventId" })]);
  });

  test("the same Idempotency-Key answers the same; with another body it is a 422", async () => {
    const ws = newId("ws");
    const headers = { "idempotency-key": newId("k") };
    const first = await api.call("POST", "/audit/log", { body: newEvent(ws), headers });
    const again = await api.call("POST", "/audit/log", { body: newEvent(ws), headers });
    const other = await api.call("POST", "/audit/log", { body: newEvent(ws, { resourceId: "x" }), headers });
    expect(again.body).toEqual(first.body);
    expect(other.status).toBe(422);
    expect(await api.db.rows("app", "select from audit_events where workspace_id = $1", [ws])).toHaveLength(
      1,
    );
  });
});

describe("GET /audit/events", () => {
  test("pages through all events of a workspace, newest first, each once", async () => {
    const ws = newId("ws");
    const events = Array.from({ length: 25 }, (_, i) => newEvent(ws, { resourceId: `r-${i}` }));
    const batch = await api.call("POST", "/audit/log/batch", { body: { events } });
    expect(batch.status).toBe(201);
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const after: string = cursor === "" ? "" : `&cursor=${cursor}`;
      const { status, body } = await api.call(
        "GET",
        `/audit/events?workspaceId=${ws}&actionType=TEST_*&limit=10${after}`,
      );
      expect(status).toBe(200);
      seen.push(...body.items.map((one: { id: string }) => one.id));
      cursor = body.nextCursor;
    }
    expect(seen).toEqual(batch.body.ids.toReversed());
  });
});
