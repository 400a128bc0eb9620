import { describe, expect, test } from "vitest";
import { newId, useApi } from "../support/api.ts";
import { expectProblem, rowsHolding } from "./support.ts";

const api = useApi();

const mint = (body: object, key?: string, headers = {}) =>
  api.call("POST", "/keys", {
    body: { name: "k", scopes: ["events:read"], ...body },
    headers,
    ...(key ? { key } : {}),
  });
const works = async (key: string) => (await api.call("GET", "/audit/events", { key })).status === 200;
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

describe("POST /keys", () => {
  test("a minted key works as far as it was granted, and its creation is an event", async () => {
    const [ws, userId] = [newId("ws"), newId("user")];
    const { status, body } = await mint({ workspaces: [ws], userId, expiresAt: inAnHour() });
    expect(status).toBe(201);
    expect(body.key).toMatchObject({
      userId,
      createdByUserId: "user-test",
      workspaces: [ws],
      projects: null,
    });
    expect(await works(body.secret)).toBe(true);
    const trails = await api.call("GET", "/trails", { key: body.secret });
    expectProblem(trails, 403, "forbidden");
    const [event] = await api.db.rows("app", "select * from audit_events where resource_id = $1", [
      body.key.id,
    ]);
    expect(event).toMatchObject({
      action_type: "CREATE_API_KEY",
      workspace_id: "afterimage",
      created_by_user_id: "user-test",
      new_values: { id: body.key.id, workspaces: [ws] },
    });
  });

  test.each([
    ["a scope that it lacks", { scopes: ["events:read", "jobs:manage"] }],
    ["another workspace", { workspaces: ["ws-a", "ws-other"] }],
    ["every workspace", { workspaces: null }],
    ["another project", { projects: ["proj-other"] }],
    ["every project", { projects: null }],
  ])("a restricted key cannot mint one with %s", async (_, more) => {
    const key = await api.mintKey({
      scopes: ["keys:manage", "events:read"],
      workspaces: ["ws-a", "ws-b"],
      projects: ["proj-a"],
    });
    const name = newId("name");
    expectProblem(await mint({ name, ...more }, key), 403, "forbidden");
    expect(await rowsHolding(api.db, name)).toEqual({});
  });

  test("left out, workspaces and projects are those of the minter, and can be fewer", async () => {
    const own = { workspaces: ["ws-a", "ws-b"], projects: ["proj-a"] };
    const key = await api.mintKey({ scopes: ["keys:manage", "events:read"], ...own });
    expect((await mint({}, key)).body.key).toMatchObject(own);
    expect((await mint({ workspaces: ["ws-b"] }, key)).body.key).toMatchObject({ workspaces: ["ws-b"] });
  });

  test("a key cannot outlive the one that mints it", async () => {
    const expiresAt = new Date(Date.now() + 60_000);
    const key = await api.mintKey({ expiresAt });
    expect((await mint({}, key)).body.key.expiresAt).toBe(expiresAt.toISOString());
    expectProblem(await mint({ expiresAt: inAnHour() }, key), 403, "forbidden");
    const { id } = (await mint({})).body.key;
    expectProblem(await api.call("POST", `/keys/${id}/rotate`, { body: {}, key }), 403, "forbidden");
  });

  test.each([
    ["name", ""],
    ["name", "x".repeat(101)],
    ["userId", " "],
    ["scopes", []],
    ["workspaces", []],
    ["projects", []],
    ["expiresAt", "2020-01-01T00:00:00Z"],
    ["expiresAt", "soon"],
  ])("%s = %j is a 400", async (field, value) => {
    expectProblem(await mint({ [field]: value }), 400, "invalid_request", `body.${field}`);
  });

  test("an unknown scope is a 400 that names it", async () => {
    const answer = await mint({ scopes: ["events:read", "everything"] });
    expectProblem(answer, 400, "invalid_request", "body.scopes[1]");
  });
});

describe("secrets", () => {
  test("are in no column of the database, and a replay does not show them again", async () => {
    const headers = { "idempotency-key": newId("k") };
    const first = await mint({}, undefined, headers);
    const again = await mint({}, undefined, headers);
    expect([again.status, again.headers.get("idempotent-replay")]).toEqual([201, "true"]);
    expect(again.body).toEqual({ key: first.body.key, secret: null });
    const rotateHeaders = { "idempotency-key": newId("k") };
    const rotate = () =>
      api.call("POST", `/keys/${first.body.key.id}/rotate`, { body: {}, headers: rotateHeaders });
    const [rotated, replayed] = [await rotate(), await rotate()];
    expect(replayed.body).toEqual({ key: rotated.body.key, secret: null });
    for (const { secret } of [first.body, rotated.body]) {
      expect(secret).toMatch(/^afi_[\w-]{43}$/);
      expect(await works(secret)).toBe(true);
      expect(await rowsHolding(api.db, secret)).toEqual({});
      expect(await rowsHolding(api.db, secret.slice("afi_".length))).toEqual({});
      expect(await rowsHolding(api.db, Buffer.from(secret).toString("hex"))).toEqual({});
      expect(api.logs.join("")).not.toContain(secret);
    }
    expect((await rowsHolding(api.db, first.body.key.prefix)).api_keys).toBeGreaterThan(0);
    const list = await api.call("GET", "/keys");
    expect(JSON.stringify(list.body)).not.toContain(first.body.secret);
  });
});

describe("listing, rotating and revoking", () => {
  test("reach only keys within one's own workspaces and projects; others answer 404", async () => {
    const [ws, proj] = [newId("ws"), newId("proj")];
    const own = { workspaces: [ws], projects: [proj] };
    const key = await api.mintKey({ ...own, userId: "user-own" });
    const foreign = [
      (await mint({})).body.key,
      (await mint({ workspaces: [ws] })).body.key,
      (await mint({ ...own, workspaces: [ws, newId("ws")] })).body.key,
    ];
    const mine = (await mint({}, key)).body.key;
    const { body } = await api.call("GET", "/keys?limit=1000", { key });
    expect(body.items.map((one: { userId: string }) => one.userId)).toEqual(["user-own", "user-own"]);
    expect(body.items[0].id).toBe(mine.id);
    for (const { id } of foreign) {
      expectProblem(await api.call("DELETE", `/keys/${id}`, { key }), 404, "not_found");
      expectProblem(await api.call("POST", `/keys/${id}/rotate`, { key, body: {} }), 404, "not_found");
    }
    const rows = await api.db.rows(
      "app",
      "select from api_keys where id = any ($1) and revoked_at is not null",
      [foreign.map((one) => one.id)],
    );
    expect(rows).toEqual([]);
    expect((await api.call("DELETE", `/keys/${mine.id}`, { key })).status).toBe(200);
  });

  test("keys are listed newest first in pages, by owner", async () => {
    const userId = newId("user");
    const minted: string[] = [];
    for (let i = 0; i < 5; i++) minted.unshift((await mint({ userId })).body.key.id);
    const seen: string[] = [];
    let cursor: string | null = "";
    for (let pages = 0; cursor !== null && pages < 9; pages++) {
      const after: string = cursor === "" ? "" : `&cursor=${cursor}`;
      const { body } = await api.call("GET", `/keys?userId=${userId}&limit=2${after}`);
      expect(body.items.length).toBeGreaterThan(0);
      seen.push(...body.items.map((one: { id: string }) => one.id));
      cursor = body.nextCursor;
    }
    expect(seen).toEqual(minted);
  });
});
