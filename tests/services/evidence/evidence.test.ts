import { describe, expect, test } from "vitest";
import { newEvent } from "../../api/support.ts";
import { withClient } from "../../db/helpers.ts";
import { newId, useApi } from "../../support/api.ts";
import { waitingFor } from "../../support/waits.ts";
import { daysAgo, complete, newTrail, placeholder } from "../trails/support.ts";
import { rollUpAll, useMessages } from "./support.ts";

const api = useApi();
const message = useMessages(api);
const rollUp = () => rollUpAll(api);

describe("GET /trails/:messageId/evidence", () => {
  test("has everything about a message in one bundle, and nothing of another", async () => {
    const { messageId, get, evidence, timestamp } = await message();
    await message();
    const { status, body } = await evidence();
    expect(status).toBe(200);
    expect(body.trail).toEqual((await get()).body);
    expect(body.trail.digests).toMatchObject({
      prompt: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      policy: "v7",
    });
    const bucketStart = new Date(Math.floor(Date.parse(timestamp) / 900_000) * 900_000).toISOString();
    expect(body).toMatchObject({
      countedIn: { bucketStart, totalTokens: 150, totalCost: 0.00105, isCurrent: true },
      events: [{ actionType: "message.rated", resourceId: messageId }],
      history: { table: "app.messages", items: [{ action: "UPDATE" }, { action: "INSERT" }] },
      holds: [{ resourceId: messageId, reason: "Case 12" }],
      deletions: [{ deletedByUserId: "bob", deletionReason: "asked for" }],
      incomplete: [],
    });
    expect([body.events.length, body.holds.length, body.deletions.length]).toEqual([1, 1, 1]);
  });

  test("keeps every digit of a row's values", async () => {
    const { path } = await message();
    const headers = { authorization: `Bearer ${await api.mintKey()}` };
    const response = await api.app.request(`http://localhost/api${path}/evidence`, { headers });
    expect(await response.text()).toContain("9007199254740993");
  });

  test("says where a cost is counted no more, once the trail has changed, and nothing before it is", async () => {
    const { patch, evidence } = await message();
    await patch({ tokens: { prompt: 1, completion: 1 } });
    expect((await evidence()).body.countedIn).toMatchObject({ totalTokens: 150, isCurrent: false });
    await rollUp();
    expect((await evidence()).body.countedIn).toMatchObject({ totalTokens: 2, isCurrent: true });
    const fresh = newTrail(api);
    await fresh.put(placeholder(fresh.projectId));
    expect((await api.call("GET", `${fresh.path}/evidence`)).body.countedIn).toBeNull();
  });

  test("leaves out what the key may not see, and says so", async () => {
    const { ws, projectId, evidence } = await message();
    const parts = async (options: object) => (await evidence("", await api.mintKey(options))).body;
    const limited = await parts({ projects: [projectId], workspaces: [ws] });
    expect(limited).toMatchObject({ events: [{}], holds: [{}], history: null, deletions: null });
    expect(limited.incomplete).toEqual([
      { part: "history", reason: "withheld" },
      { part: "holds", reason: "withheld" },
      { part: "deletions", reason: "withheld" },
    ]);
    const stranger = await parts({ projects: [projectId], workspaces: [newId("ws")] });
    expect([stranger.events, stranger.holds]).toEqual([[], []]);
    const bare = await parts({ scopes: ["trails:read"] });
    expect(bare.incomplete.map(({ part }: { part: string }) => part)).toEqual(["events", "history", "holds"]);
    expect(bare).toMatchObject({ events: null, holds: null, history: null, deletions: [{}] });
    for (const missing of ["events", "history"]) {
      const others = ["events", "history"].filter((one) => one !== missing).map((one) => `${one}:read`);
      const one = await parts({ scopes: ["trails:read", "holds:read", ...others] });
      expect(one.incomplete).toEqual([
        { part: missing, reason: "withheld" },
        { part: "holds", reason: "withheld" },
      ]);
    }
  });

  test("has the events of long before its trail where the workspace is named, or the key is limited to it", async () => {
    const { ws, messageId, evidence } = await message();
    await api.db.asOwner(
      "update audit_trails set timestamp = now() + interval '2 days', created_at = now() + interval '2 days' where message_id = $1",
      [messageId],
    );
    const events = async (query: string, key?: string) => (await evidence(query, key)).body.events;
    expect(await events("")).toEqual([]);
    expect(await events(`?workspaceId=${ws}`)).toHaveLength(1);
    expect(await events("", await api.mintKey({ workspaces: [ws] }))).toHaveLength(1);
  });

  test("goes without its events, and says so, where looking for them takes longer than a request may", async () => {
    const { evidence } = await message();
    const { status, body } = await withClient(api.db, "superuser", async (client) => {
      await client.query("begin; lock table audit.audit_events in access exclusive mode");
      const answer = evidence();
      const waiting = () => waitingFor(api.db, { relation: "audit.audit_events" });
      await expect.poll(waiting, { timeout: 10_000 }).not.toEqual([]);
      await client.query("select pg_cancel_backend(pid) from unnest($1::int[]) pid", [await waiting()]);
      await client.query("rollback");
      return answer;
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ trail: {}, events: null, history: { items: [{}, {}] }, holds: [{}] });
    expect(body.incomplete).toEqual([
      { part: "events", reason: "slow" },
      { part: "holds", reason: "slow" },
    ]);
  });

  test("wants to be told the table where several are called messages", async () => {
    const { evidence } = await message();
    await api.db.rows("admin", "create schema other; create table other.messages (id text primary key)");
    await api.db.rows("admin", "select audit.track('other.messages')");
    const { status, body } = await evidence();
    expect([status, body.errors?.[0]]).toMatchObject([400, { path: "query.table", code: "ambiguous" }]);
    expect((await evidence("?table=app.messages")).body.history).toMatchObject({ items: [{}, {}] });
    expect((await evidence("", await api.mintKey({ scopes: ["trails:read"] }))).status).toBe(200);
    await api.db.rows("admin", "select audit.untrack('other.messages'); drop schema other cascade");
    await api.db.asOwner("delete from audit.untracked_tables where table_schema = 'other'");
  });

  test("takes the caller's own words for a message and its table", async () => {
    const { messageId, evidence, ws } = await message();
    await api.db.rows("admin", "create table if not exists app.replies (id text primary key)");
    await api.db.rows("admin", "select audit.track('app.replies')");
    await api.db.rows("admin", "insert into app.replies values ($1)", [messageId]);
    const body = newEvent(ws, { resourceType: "reply", resourceId: messageId });
    await api.call("POST", "/audit/log", { body });
    const answer = await evidence(`?resourceType=reply&table=app.replies&workspaceId=${ws}`);
    expect(answer.body).toMatchObject({
      events: [{ resourceType: "reply" }],
      history: { table: "app.replies", items: [{ action: "INSERT" }] },
      holds: [],
    });
    const unknown = await evidence("?table=app.nothing");
    expect([unknown.status, unknown.body.errors[0].path]).toEqual([404, "query.table"]);
  });

  test("says when there is more than it holds", async () => {
    const { ws, messageId, evidence } = await message();
    const events = Array.from({ length: 200 }, () =>
      newEvent(ws, { resourceType: "message", resourceId: messageId }),
    );
    expect((await api.call("POST", "/audit/log/batch", { body: { events } })).status).toBe(201);
    const { body } = await evidence();
    // A hold may be on a workspace, or a person, of an event beyond.
    expect([body.events.length, body.incomplete]).toEqual([
      200,
      [
        { part: "holds", reason: "more" },
        { part: "events", reason: "more" },
      ],
    ]);
  });

  test("stays within what an answer holds, and says what had no room", async () => {
    const { ws, messageId, evidence, put, projectId } = await message();
    await put(complete(projectId, { reasoning: ["r".repeat(1_000_000)] }));
    const newValues = { text: "é".repeat(100_000) };
    for (let i = 0; i < 25; i++) {
      const body = newEvent(ws, { resourceType: "message", resourceId: messageId, newValues });
      expect((await api.call("POST", "/audit/log", { body })).status).toBe(201);
    }
    const { status, body } = await evidence();
    expect(status).toBe(200);
    expect(Buffer.byteLength(JSON.stringify(body))).toBeLessThan(4_100_000);
    expect(body.trail.reasoning[0]).toHaveLength(1_000_000);
    expect(body).toMatchObject({ holds: [{}], deletions: [{}], history: { items: [] } });
    expect(body.events.length).toBeGreaterThan(10);
    expect(body.incomplete).toEqual([
      { part: "events", reason: "more" },
      { part: "history", reason: "more" },
    ]);
  });

  test("shows what remains once the trail was cleaned up, where project and workspace are named", async () => {
    const { messageId, projectId, ws, evidence } = await message();
    await api.db.rows("superuser", "delete from audit.audit_trails where message_id = $1", [messageId]);
    const { status, body } = await evidence(`?projectId=${projectId}&workspaceId=${ws}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      trail: null,
      countedIn: null,
      events: [{ actionType: "message.rated" }],
      history: { items: [{ action: "UPDATE" }, { action: "INSERT" }] },
      holds: [{ reason: "Case 12" }],
      deletions: [{ deletedByUserId: "bob" }],
      incomplete: [],
    });
    const ofTenant = await api.mintKey({ projects: [projectId], workspaces: [ws] });
    expect((await evidence(`?projectId=${projectId}`, ofTenant)).body).toMatchObject({
      trail: null,
      events: [{}],
    });
    for (const [query, key] of [
      ["", undefined],
      [`?projectId=${projectId}`, undefined],
      [`?projectId=${newId("proj")}&workspaceId=${ws}`, undefined],
      [`?projectId=${projectId}&workspaceId=${ws}`, await api.mintKey({ projects: [newId("proj")] })],
      [`?projectId=${projectId}`, await api.mintKey({ projects: [projectId], workspaces: [newId("ws")] })],
    ] as const) {
      expect([query, (await evidence(query, key)).status]).toEqual([query, 404]);
    }
    await api.call("DELETE", `/projects/${projectId}`);
    expect((await evidence(`?projectId=${projectId}&workspaceId=${ws}`)).status).toBe(404);
  });

  test("is a 404 for a message of which nothing is known, whatever else is held or deleted", async () => {
    const { projectId, ws } = await message();
    await api.call("POST", "/holds", {
      body: { resourceType: "project", resourceId: projectId, reason: "Case" },
    });
    const path = `/trails/${newId("msg")}/evidence?projectId=${projectId}&workspaceId=${ws}`;
    expect((await api.call("GET", path)).status).toBe(404);
  });

  test("is itself an event, once an hour for a key", async () => {
    const { messageId, projectId, evidence } = await message();
    const key = await api.mintKey({ userId: newId("user") });
    await evidence("", key);
    await evidence("", key);
    const rows = await api.db.rows(
      "app",
      `select metadata -> 'filter' as filter from audit_events
       where action_type = 'READ_AUDIT_LOG' and resource_id = 'evidence' and metadata -> 'filter' ->> 'messageId' = $1`,
      [messageId],
    );
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.length).toBeLessThanOrEqual(2);
    expect(rows[0]?.filter).toMatchObject({ messageId, projectId });
  });

  test("is a 404 for another tenant's message, and for one that is gone; a key needs the scope", async () => {
    const { evidence } = await message();
    expect((await evidence("", await api.mintKey({ projects: [newId("proj")] }))).status).toBe(404);
    expect((await evidence("", await api.mintKey({ scopes: ["events:read"] }))).status).toBe(403);
    const workspaces = [newId("ws")];
    const foreign = await evidence(`?workspaceId=${newId("ws")}`, await api.mintKey({ workspaces }));
    expect([foreign.status, foreign.body.errors[0].path]).toEqual([404, "query.workspaceId"]);
    const gone = newTrail(api);
    await gone.put(placeholder(gone.projectId, { timestamp: daysAgo(9) }));
    await api.db.rows("superuser", "delete from audit.audit_trails where message_id = $1", [gone.messageId]);
    expect((await api.call("GET", `${gone.path}/evidence`)).status).toBe(404);
  });
});
