import { describe, expect, test } from "vitest";
import { encodeCursor } from "../../services/cursor.ts";
import { newId, useApi } from "../support/api.ts";
import { expectProblem, newEvent } from "./support.ts";

const api = useApi();

const add = async (ws: string, count: number, more: object = {}): Promise<string[]> => {
  const events = Array.from({ length: count }, (_, i) => newEvent(ws, { resourceId: `r-${i}`, ...more }));
  return (await api.call("POST", "/audit/log/batch", { body: { events } })).body.ids;
};

/** All pages of a list, `between` them whatever the test does. */
async function pages(query: string, between: () => Promise<unknown> = async () => undefined) {
  const seen: string[] = [];
  const totals = new Set<number>();
  let cursor: string | null = "";
  for (let page = 0; cursor !== null && page < 100; page++) {
    const after: string = cursor === "" ? "" : `&cursor=${cursor}`;
    const { status, body } = await api.call("GET", `/audit/events?${query}${after}`);
    expect(status).toBe(200);
    seen.push(...body.items.map((one: { id: string }) => one.id));
    totals.add(body.total);
    cursor = body.nextCursor;
    await between();
  }
  return { seen, totals };
}

describe("pages of events", () => {
  test("are complete and without repetition while new events arrive", async () => {
    const ws = newId("ws");
    const ids = await add(ws, 47);
    const query = `workspaceId=${ws}&actionType=TEST_EVENT&limit=5`;
    const { seen } = await pages(query, () => add(ws, 3));
    expect(seen).toEqual(ids.toReversed());
    const { seen: all } = await pages(query);
    expect(new Set(all).size).toBe(47 + 10 * 3);
    expect(all).toHaveLength(47 + 10 * 3);
  });

  test("lose none of many events of the same microsecond, nor any of neighbouring ones", async () => {
    const ws = newId("ws");
    const rows = await api.db.rows<{ id: string }>(
      "app",
      `insert into audit_events (created_at, workspace_id, created_by_user_id, action_type, resource_type, resource_id)
       select t.at + make_interval(secs => (i / 10) * 0.000001), $1, 'u', 'TEST_EVENT', 'thing', i::text
       from (select clock_timestamp() as at) t, generate_series(0, 39) i
       returning id`,
      [ws],
    );
    for (const limit of [1, 3, 7]) {
      const { seen } = await pages(`workspaceId=${ws}&actionType=TEST_EVENT&limit=${limit}`);
      expect(seen).toHaveLength(40);
      expect(new Set(seen)).toEqual(new Set(rows.map((one) => one.id)));
    }
  });

  test("end without a cursor, also when the last one is full", async () => {
    const ws = newId("ws");
    await add(ws, 4);
    const last = await api.call("GET", `/audit/events?workspaceId=${ws}&actionType=TEST_EVENT&limit=4`);
    expect([last.body.items.length, last.body.nextCursor]).toEqual([4, null]);
    const none = await api.call("GET", `/audit/events?workspaceId=${newId("ws")}`);
    expect(none.body).toEqual({ items: [], nextCursor: null });
  });

  test("hold 50 events unless asked for more, and 1,000 at most", async () => {
    const ws = newId("ws");
    await add(ws, 1_000);
    await add(ws, 1);
    const list = async (more: string) =>
      (await api.call("GET", `/audit/events?workspaceId=${ws}&actionType=TEST_EVENT${more}`)).body.items
        .length;
    expect([await list(""), await list("&limit=1000")]).toEqual([50, 1_000]);
  });

  test("count all matches on every page when asked, and never unasked", async () => {
    const ws = newId("ws");
    await add(ws, 7);
    await add(ws, 3, { actionType: "OTHER" });
    const query = `workspaceId=${ws}&actionType=TEST_EVENT&limit=3`;
    expect((await pages(`${query}&includeTotal=true`)).totals).toEqual(new Set([7]));
    expect((await pages(`${query}&includeTotal=false`)).totals).toEqual(new Set([undefined]));
    expect((await pages(query)).totals).toEqual(new Set([undefined]));
  });
});

describe("a cursor", () => {
  const first = async () => {
    const ws = newId("ws");
    await add(ws, 5);
    const query = `/audit/events?workspaceId=${ws}&actionType=TEST_EVENT`;
    const { body } = await api.call("GET", `${query}&limit=2`);
    return { ws, query, cursor: body.nextCursor as string };
  };

  test("goes on with another limit, other order of parameters, and the same filters", async () => {
    const { ws, cursor } = await first();
    const path = `/audit/events?cursor=${cursor}&limit=4&includeTotal=true&actionType=TEST_EVENT&workspaceId=${ws}`;
    const { status, body } = await api.call("GET", path);
    expect([status, body.items.length, body.total]).toEqual([200, 3, 5]);
  });

  test.each([
    ["another workspace", (query: string) => query.replace("workspaceId=", "workspaceId=x")],
    ["another action", (query: string) => query.replace("TEST_EVENT", "TEST_*")],
    ["one filter more", (query: string) => `${query}&actorId=user-1`],
    ["one filter less", (query: string) => query.replace("&actionType=TEST_EVENT", "")],
    ["deleted events too", (query: string) => `${query}&includeDeleted=true`],
    ["a time", (query: string) => `${query}&from=2020-01-01T00:00:00Z`],
  ])("is a 400 with %s", async (_, change) => {
    const { query, cursor } = await first();
    const answer = await api.call("GET", `${change(query)}&cursor=${cursor}`);
    expectProblem(answer, 400, "invalid_cursor", "query.cursor");
  });

  test("is a 400 when any character of it was changed, lost or added", async () => {
    const { query, cursor } = await first();
    const text = Buffer.from(cursor, "base64url").toString();
    for (let i = 0; i < text.length; i++) {
      const other = text[i] === "1" ? "2" : "1";
      for (const changed of [
        text.slice(0, i) + other + text.slice(i + 1),
        text.slice(0, i) + text.slice(i + 1),
      ]) {
        const tampered = Buffer.from(changed).toString("base64url");
        const answer = await api.call("GET", `${query}&cursor=${tampered}`);
        expect([i, changed, answer.status, answer.body.code]).toEqual([i, changed, 400, "invalid_cursor"]);
      }
    }
  });

  test("of another list is a 400", async () => {
    for (let i = 0; i < 2; i++) {
      await api.call("POST", "/keys", { body: { name: "k", scopes: ["events:read"] } });
      await api.call("PUT", `/trails/m-${i}`, {
        body: { projectId: newId("p"), model: "m", contextLayers: 1 },
      });
      await add(newId("ws"), 1);
    }
    const lists = ["/audit/events", "/keys", "/trails"];
    for (const from of lists) {
      const { nextCursor } = (await api.call("GET", `${from}?limit=1`)).body;
      expect(nextCursor).toEqual(expect.any(String));
      for (const to of lists) {
        const answer = await api.call("GET", `${to}?limit=1&cursor=${nextCursor}`);
        if (from === to) expect(answer.status).toBe(200);
        else expectProblem(answer, 400, "invalid_cursor", "query.cursor");
      }
    }
  });

  test.each([
    "2026-02-30 00:00:00+00",
    "2026-13-01 00:00:00+00",
    "2026-01-01 25:00:00+00",
    "0000-01-01 00:00:00+00",
    "2026-01-01 00:00:60+00",
    "infinity",
    "now",
    "",
  ])(
    "forged with its right checksum and the time '%s' is a 400, not an error of the database",
    async (time) => {
      const forged = encodeCursor([time, "01890000-0000-7000-8000-000000000000"], { list: "events" });
      const answer = await api.call("GET", `/audit/events?cursor=${forged}`);
      expectProblem(answer, 400, "invalid_cursor", "query.cursor");
    },
  );

  test("holds nothing of the filters in plain text", async () => {
    const { ws, cursor } = await first();
    expect(Buffer.from(cursor, "base64url").toString()).not.toContain(ws);
  });
});
