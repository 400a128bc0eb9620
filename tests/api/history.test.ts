import { beforeAll, describe, expect, test } from "vitest";
import { useApi } from "../support/api.ts";

const api = useApi();
const sql = (text: string) => api.db.rows("admin", text);
const pause = () => sql("select pg_sleep(0.01)");
const now = async () => {
  await pause();
  const [{ t } = { t: new Date(0) }] = await api.db.rows<{ t: Date }>(
    "admin",
    "select clock_timestamp() as t",
  );
  await pause();
  return t.toISOString();
};

const times: Record<string, string> = {};

beforeAll(async () => {
  await sql("create schema app; create table app.people (id bigint primary key, name text, data json)");
  await sql("select audit.track('app.people')");
  times.before = await now();
  await sql(`insert into app.people values (9007199254740993, 'Ann', '{"b":1,"a":1.10}')`);
  times.ann = await now();
  await sql(
    "begin; select set_config('app.user_id', 'alice', true); update app.people set name = 'Bea'; commit",
  );
  times.bea = await now();
  await sql("update app.people set id = 2");
  times.moved = await now();
  await sql("delete from app.people");
  times.gone = await now();
});

const BIG = "9007199254740993";
const at = async (recordId: string, time = "") =>
  (await api.call("GET", `/history/app.people/${recordId}/at?time=${times[time] ?? time}`)) as Awaited<
    ReturnType<typeof api.call>
  >;

describe("GET /history/{table}/{recordId}", () => {
  test("shows each change once, newest first, with who made it and what differed", async () => {
    const { status, body } = await api.call("GET", `/history/people/${BIG}`);
    expect(status).toBe(200);
    expect(body.items).toMatchObject([
      { action: "UPDATE", recordId: BIG, newRecordId: "2", changedFields: ["id"] },
      {
        action: "UPDATE",
        userId: "alice",
        changes: { name: { old: "Ann", new: "Bea" } },
        newValues: { name: "Bea" },
      },
      { action: "INSERT", oldValues: null, newValues: { name: "Ann" } },
    ]);
    expect(
      (await api.call("GET", "/history/people/2")).body.items.map((one: { action: string }) => one.action),
    ).toEqual(["DELETE", "UPDATE"]);
  });

  test("keeps every digit of a number", async () => {
    const response = await api.app.request(`http://localhost/api/history/people/${BIG}`, {
      headers: { authorization: `Bearer ${await api.mintKey()}` },
    });
    expect(await response.text()).toContain(`"id": ${BIG}`);
  });

  test("pages without missing or repeating an entry", async () => {
    const seen: string[] = [];
    let query = "?limit=1";
    for (;;) {
      const { body } = await api.call("GET", `/history/people/${BIG}${query}`);
      seen.push(...body.items.map((one: { id: string }) => one.id));
      if (body.nextCursor === null) break;
      query = `?limit=1&cursor=${body.nextCursor}`;
    }
    expect(seen).toHaveLength(3);
    expect(seen).toEqual(seen.toSorted((a, b) => Number(b) - Number(a)));
  });

  test("of a row that never was is an empty page", async () => {
    expect((await api.call("GET", "/history/people/nobody")).body).toEqual({
      items: [],
      nextCursor: null,
      beginsAt: expect.any(String),
    });
  });

  test("is itself in the log", async () => {
    await api.call("GET", "/history/people/777");
    const found = await api.db.rows(
      "app",
      "select metadata from audit_events where action_type = 'READ_AUDIT_LOG' and metadata -> 'filter' ->> 'recordId' = '777'",
    );
    expect(found).toMatchObject([{ metadata: { filter: { table: "app.people" } } }]);
  });
});

describe("GET /history/{table}/{recordId}/at", () => {
  test.each([
    [BIG, "ann", { exists: true, values: { name: "Ann" } }],
    [BIG, "bea", { exists: true, values: { name: "Bea" } }],
    [BIG, "moved", { exists: false, values: null }],
    ["2", "moved", { exists: true, values: { id: 2, name: "Bea" } }],
    ["2", "gone", { exists: false, values: null }],
    ["2", "ann", { exists: false, values: null }],
    [BIG, "before", { exists: false, values: null }],
  ])("%s at %s is as it was", async (recordId, time, expected) => {
    expect(await at(recordId, time)).toMatchObject({ status: 200, body: expected });
  });

  test("gives the texts that JSON cannot hold", async () => {
    expect((await at(BIG, "bea")).body.exactValues).toEqual({ data: '{"b":1,"a":1.10}' });
  });

  test("finds a row that was there before the tracking began, by its first change", async () => {
    await sql("create table app.older (id int primary key, v text); insert into app.older values (1, 'a')");
    await sql("select audit.track('app.older')");
    const time = await now();
    await sql("update app.older set v = 'b'");
    const { body } = await api.call("GET", `/history/older/1/at?time=${time}`);
    expect(body).toMatchObject({ exists: true, values: { id: 1, v: "a" } });
  });

  test("before history begins is refused, with the time when it does", async () => {
    const { status, body } = await at(BIG, "2001-01-01T00:00:00Z");
    expect({ status, detail: body.detail }).toEqual({
      status: 409,
      detail: expect.stringContaining("begins at"),
    });
  });
});

describe("who may look", () => {
  test.each([{ workspaces: ["ws-1"] }, { projects: ["p-1"] }])("no key limited to %o", async (limits) => {
    const key = await api.mintKey(limits);
    expect((await api.call("GET", `/history/people/${BIG}`, { key })).status).toBe(403);
  });

  test.each(["/history/nothing/1", "/history/pg_catalog.pg_class/1", "/history/app.people';--/1"])(
    "%s is no tracked table",
    async (path) => {
      expect(await api.call("GET", encodeURI(path))).toMatchObject({
        status: 404,
        body: { code: "not_found" },
      });
    },
  );

  test("a name in two schemas must say which", async () => {
    await sql(
      "create schema other; create table other.people (id int primary key); select audit.track('other.people')",
    );
    const { status, body } = await api.call("GET", "/history/people/1");
    expect({ status, detail: body.detail }).toEqual({
      status: 400,
      detail: expect.stringContaining("app.people, other.people"),
    });
    await sql("select audit.untrack('other.people')");
  });
});

describe("a table that is no longer what it was", () => {
  test("keeps its history when it is untracked, dropped, or renamed", async () => {
    await sql("create table app.over (id int primary key); select audit.track('app.over')");
    await sql("insert into app.over values (1)");
    await sql("alter table app.over rename to finished");
    for (const end of ["select audit.untrack('app.finished')", "drop table app.finished"]) {
      expect((await api.call("GET", "/history/app.over/1")).body.items).toHaveLength(1);
      expect((await api.call("GET", "/history/app.finished/1")).body.items).toHaveLength(1);
      await sql(end);
    }
    expect((await api.call("GET", "/history/over/1")).body.items).toHaveLength(1);
  });
});
