import { describe, expect, test } from "vitest";
import { newId, useApi } from "../support/api.ts";
import { expectProblem, newEvent, rowsHolding } from "./support.ts";

const api = useApi();

/** Two tenants with an event each, and a key that sees only the first. */
async function twoTenants() {
  const [mine, theirs] = [newId("ws"), newId("ws")];
  const add = async (ws: string) =>
    (await api.call("POST", "/audit/log", { body: newEvent(ws) })).body.id as string;
  const [myId, theirId] = [await add(mine), await add(theirs)];
  return { mine, theirs, myId, theirId, key: await api.mintKey({ workspaces: [mine] }) };
}

const idsOf = (body: { items: { id: string }[] }) => body.items.map((one) => one.id);

describe("a key that is restricted to a workspace", () => {
  test("writes to its own; another is a 404 and nothing is written", async () => {
    const { mine, theirs, key } = await twoTenants();
    const before = await rowsHolding(api.db, theirs);
    const write = (ws: string) => api.call("POST", "/audit/log", { key, body: newEvent(ws) });
    expect((await write(mine)).status).toBe(201);
    expectProblem(await write(theirs), 404, "not_found", "body.workspaceId");
    expect(await rowsHolding(api.db, theirs)).toEqual(before);
  });

  test("has a batch with one foreign event refused whole, the event named", async () => {
    const { mine, theirs, key } = await twoTenants();
    const before = [await rowsHolding(api.db, mine), await rowsHolding(api.db, theirs)];
    const events = [newEvent(mine), newEvent(theirs), newEvent(mine)];
    const answer = await api.call("POST", "/audit/log/batch", { key, body: { events } });
    expectProblem(answer, 404, "not_found", "body.events[1].workspaceId");
    expect(answer.body.errors).toHaveLength(1);
    expect([await rowsHolding(api.db, mine), await rowsHolding(api.db, theirs)]).toEqual(before);
  });

  test("finds only its own without naming a workspace, in pages, counts and exports", async () => {
    const { myId, theirId, key } = await twoTenants();
    const list = await api.call("GET", "/audit/events?actionType=TEST_*&includeTotal=true", { key });
    expect([idsOf(list.body), list.body.total]).toEqual([[myId], 1]);
    const exported = await api.call("GET", "/audit/events/export?format=ndjson&actionType=TEST_*", { key });
    expect(exported.body).toContain(myId);
    expect(exported.body).not.toContain(theirId);
  });

  test("pages on only within its own workspaces, with a cursor of a key that sees more", async () => {
    const { myId, key } = await twoTenants();
    await twoTenants();
    const query = "/audit/events?actionType=TEST_EVENT&limit=1";
    const wide = await api.call("GET", query);
    const page = await api.call("GET", `${query}&cursor=${wide.body.nextCursor}`, { key });
    expect(idsOf(page.body)).toEqual([myId]);
  });

  test("does not see the service's own workspace, where its reads across tenants are kept", async () => {
    const { key } = await twoTenants();
    const answer = await api.call("GET", "/audit/events?workspaceId=afterimage", { key });
    expectProblem(answer, 404, "not_found");
    const several = await api.mintKey({ workspaces: [newId("ws"), newId("ws")] });
    await api.call("GET", "/audit/events", { key: several });
    const all = await api.call("GET", "/audit/events?workspaceId=afterimage&actionType=READ_AUDIT_LOG");
    expect(all.body.items.length).toBeGreaterThan(0);
  });

  test("sees the events that the service wrote about its own workspace", async () => {
    const { mine, key } = await twoTenants();
    const query = `/audit/events?workspaceId=${mine}`;
    await api.call("GET", query, { key });
    const { body } = await api.call("GET", `${query}&actionType=READ_AUDIT_LOG`, { key });
    expect(body.items).toEqual([
      expect.objectContaining({ createdByUserId: "user-test", workspaceId: mine, resourceId: "events" }),
    ]);
  });
});

test("a key of several workspaces sees these and no other", async () => {
  const [a, b] = [await twoTenants(), await twoTenants()];
  const key = await api.mintKey({ workspaces: [a.mine, b.mine] });
  const { body } = await api.call("GET", "/audit/events?actionType=TEST_EVENT", { key });
  expect(idsOf(body)).toEqual([b.myId, a.myId]);
});

test("a key of some tenants sees no schedule, and neither runs nor pauses one", async () => {
  const before = (await api.call("GET", "/jobs/trail-cleanup")).body;
  for (const limits of [{ workspaces: [newId("ws")] }, { projects: [newId("proj")] }]) {
    const key = await api.mintKey(limits);
    for (const [method, path] of [
      ["GET", "/jobs"],
      ["GET", "/jobs/trail-cleanup"],
      ["GET", "/jobs/trail-cleanup/runs/0199aaaa-0000-7000-8000-000000000000"],
      ["POST", "/jobs/trail-cleanup/run"],
      ["POST", "/jobs/trail-cleanup/pause"],
      ["POST", "/jobs/trail-cleanup/resume"],
    ] as const) {
      const answer = await api.call(method, path, { key });
      expectProblem(answer, 403, "forbidden");
      expect(answer.body.detail).toContain("without limits");
    }
  }
  expect((await api.call("GET", "/jobs/trail-cleanup")).body).toEqual(before);
});

test("what is spelled almost like a workspace is another one", async () => {
  const { mine, key } = await twoTenants();
  for (const other of [mine.toUpperCase(), ` ${mine}`, `${mine} `, `${mine}%`, mine.slice(0, -1)]) {
    const answer = await api.call("POST", "/audit/log", { key, body: newEvent(other) });
    expectProblem(answer, 404, "not_found");
  }
});
