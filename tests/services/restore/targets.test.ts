import { beforeEach, describe, expect, test } from "vitest";
import { usePlans } from "./stage.ts";

const stage = usePlans();
const { sql } = stage;
const T = "public.things";
const PAST = "2100-01-01T00:00:00Z";

beforeEach(async () => {
  await sql(`
    drop table if exists things cascade;
    create table things (id int primary key, name text, plan text, note text);
    select audit.track('things');
    insert into things select n, 'n' || n, 'free', null from generate_series(1, 4) n;
  `);
});

const things = () => stage.table("things");
const record = (recordId: string, to?: unknown) => ({ table: T, recordId, ...(to ? { to } : {}) });

describe("a record", () => {
  test("that was updated is as its last change found it", async () => {
    await sql("update things set plan = 'pro' where id = 1");
    const before = await things();
    await sql("update things set plan = 'gone', name = 'X' where id = 1");
    await stage.restored(record("1"));
    expect(await things()).toEqual(before);
  });

  test("that was deleted comes back", async () => {
    const before = await things();
    await sql("delete from things where id = 2");
    await stage.restored(record("2"));
    expect(await things()).toEqual(before);
  });

  test("is as it was at a time", async () => {
    const at = await stage.moment();
    const before = await things();
    await sql("update things set plan = 'a' where id = 1");
    await sql("delete from things where id = 1");
    await sql("insert into things values (1, 'again', 'b', 'c')");
    await sql("update things set note = 'd' where id = 1");
    await stage.restored(record("1", { time: at }));
    expect(await things()).toEqual(before);
  });

  test("that was deleted and inserted again under the same key is as the deletion found it", async () => {
    const before = await things();
    await sql("delete from things where id = 1");
    const [entry] = await sql(
      "select id::text from audit_logs where table_name = 'things' order by audit_logs.id desc limit 1",
    );
    await sql("insert into things values (1, 'again', 'b', 'c')");
    await stage.restored(record("1", { entryId: entry?.id }));
    expect(await things()).toEqual(before);
  });

  test("whose key changed is found under its new key and gets its former one back", async () => {
    const before = await things();
    await sql("update things set id = 10 where id = 1");
    const done = await stage.restored(record("10"));
    expect(done.items).toMatchObject([{ recordId: "1", liveRecordId: "10", action: "update" }]);
    expect(await things()).toEqual(before);
  });

  test("whose key changed is as it was at a time, asked for under either key", async () => {
    const at = await stage.moment();
    const before = await things();
    for (const key of ["1", "10"]) {
      await sql("update things set id = 10, name = 'moved' where id = 1");
      await sql("update things set name = 'later' where id = 10");
      await stage.restored(record(key, { time: at }));
      expect(await things()).toEqual(before);
    }
  });

  test("whose key changed and changed back is followed all the way", async () => {
    const at = await stage.moment();
    const before = await things();
    await sql("update things set id = 10 where id = 1");
    await sql("update things set name = 'there' where id = 10");
    await sql("update things set id = 1 where id = 10");
    await stage.restored(record("1", { time: at }));
    expect(await things()).toEqual(before);
  });

  test("whose key another row has by now is refused with that row", async () => {
    const at = await stage.moment();
    await sql("update things set id = 10 where id = 1");
    await sql("insert into things values (1, 'squatter')");
    expect(await stage.problems(record("10", { time: at }))).toEqual(["conflict unique_clash"]);
  });

  test("that was only ever inserted has nothing before it, and says so", async () => {
    const { body } = await stage.preview(record("3"));
    expect(body).toMatchObject({ itemCount: 0, problems: [{ code: "rows_stay", count: 1 }] });
    const started = await stage.call("POST", "/restores", { body: { target: record("3"), reason: "r" } });
    expect(started.status).toBe(409);
    expect(started.body.detail).toMatch(/nothing to restore/);
  });

  test("that was only ever inserted goes with strictDelete", async () => {
    await stage.restored(record("3"), { strictDelete: true });
    expect(await things()).toHaveLength(3);
  });
});

describe("a transaction", () => {
  test("is undone; what it inserted stays unless strictDelete", async () => {
    const before = await things();
    const change =
      "delete from things where id = 1; update things set plan = 'x' where id = 2; insert into things values (9, 'new')";
    const first = await stage.as("ada", change);
    await stage.restored({ transactionId: first });
    expect(await things()).toEqual([...before, "(9,new,,)"]);
    await sql("delete from things where id = 9");
    const second = await stage.as("ada", change);
    await stage.restored({ transactionId: second }, { strictDelete: true });
    expect(await things()).toEqual(before);
  });

  test("that deleted and inserted a key again, or moved it, is undone as one change", async () => {
    const before = await things();
    const id = await stage.as(
      "ada",
      `delete from things where id = 1; insert into things values (1, 'other');
       update things set id = 20 where id = 2; update things set id = 2 where id = 3; update things set id = 3 where id = 20;`,
    );
    expect(await stage.problems({ transactionId: id })).toEqual(
      Array.from({ length: 1 }, () => "blocking unique_circle"),
    );
    await sql("alter table things drop constraint things_pkey, add primary key (id) deferrable");
    await stage.restored({ transactionId: id });
    expect(await things()).toEqual(before);
  });
});

describe("what an actor did in a window", () => {
  const from = "2000-01-01T00:00:00Z";

  test("goes back; others' later changes of other columns stay", async () => {
    await stage.as("eve", "update things set plan = 'evil'");
    await stage.as("bob", "update things set note = 'kept' where id = 1");
    await stage.restored({ actor: "eve", from, to: PAST });
    expect(await things()).toEqual(["(1,n1,free,kept)", "(2,n2,free,)", "(3,n3,free,)", "(4,n4,free,)"]);
  });

  test("between changes of others of the same row goes back column by column", async () => {
    await stage.as("eve", "update things set name = 'evil' where id = 1");
    await stage.as("bob", "update things set plan = 'pro' where id = 1");
    await stage.as("eve", "update things set plan = 'evil' where id = 1");
    await stage.restored({ actor: "eve", from, to: PAST });
    expect((await things())[0]).toBe("(1,n1,pro,)");
  });

  test("is a conflict where others changed the same column since, or in between", async () => {
    await stage.as("eve", "update things set plan = 'evil' where id in (1, 2)");
    await stage.as("bob", "update things set plan = 'pro' where id in (1, 2)");
    await stage.as("eve", "update things set plan = 'worse' where id = 2");
    const target = { actor: "eve", from, to: PAST };
    const { body } = await stage.preview(target);
    expect(body.problems).toMatchObject([
      { code: "changed_since", severity: "conflict", recordIds: ["1", "2"] },
    ]);
    const refused = await stage.call("POST", "/restores", { body: { target, reason: "r" } });
    expect(refused.status).toBe(409);
    const run = await stage.restore(target, { onConflict: "overwrite" });
    expect(run).toMatchObject({ status: "completed" });
    expect((await things()).slice(0, 2)).toEqual(["(1,n1,free,)", "(2,n2,free,)"]);
  });

  test("is a conflict where others deleted or inserted the row in between", async () => {
    await stage.as(
      "eve",
      "update things set plan = 'evil' where id in (1, 2); delete from things where id = 3",
    );
    await stage.as("bob", "delete from things where id = 1; insert into things values (3, 'bob')");
    const { body } = await stage.preview({ actor: "eve", from, to: PAST });
    expect(body.problems).toMatchObject([{ code: "changed_since", recordIds: ["1", "3"] }]);
  });

  test("is bounded by the window and by tables", async () => {
    await sql(
      "drop table if exists others; create table others (id int primary key, v text); select audit.track('others')",
    );
    await stage.as("eve", "update things set plan = 'early'");
    const start = await stage.moment();
    await stage.as("eve", "update things set plan = 'evil'; insert into others values (1, 'x')");
    const end = await stage.moment();
    await stage.as("eve", "update things set name = 'late' where id = 1");
    await stage.restored({ actor: "eve", from: start, to: end, tables: [T] }, { strictDelete: true });
    expect(await things()).toEqual(["(1,late,early,)", "(2,n2,early,)", "(3,n3,early,)", "(4,n4,early,)"]);
    expect(await stage.table("others")).toHaveLength(1);
  });
});

describe("tables as of a time", () => {
  test("are as they were then; rows that came after stay unless strictDelete", async () => {
    const at = await stage.moment();
    const before = await things();
    await sql("delete from things where id = 1");
    await sql("update things set name = null where id = 2");
    await sql("insert into things values (5, 'new')");
    const run = await stage.restored({ tables: [T], at });
    expect(run.problems).toMatchObject([{ code: "rows_stay", count: 1 }]);
    expect(await things()).toEqual([...before, "(5,new,,)"]);
    await stage.restored({ tables: [T], at }, { strictDelete: true });
    expect(await things()).toEqual(before);
  });

  test("take a filter of values, lists and null, by the rows as they were", async () => {
    await sql("update things set plan = null where id = 4");
    const at = await stage.moment();
    await sql("update things set name = 'x', plan = 'moved'");
    const ids = async (where: unknown) =>
      (await stage.items((await stage.preview({ tables: [T], at, where })).body.id)).map(
        (item) => item.recordId,
      );
    expect(await ids({ plan: "free" })).toEqual(["1", "2", "3"]);
    expect(await ids({ plan: null })).toEqual(["4"]);
    expect(await ids({ plan: [null, "free"], id: [1, 4, 99] })).toEqual(["1", "4"]);
    expect(await ids({ plan: "moved" })).toEqual([]);
  });

  test("take values of a filter as their types do: other digits, zones and spaces are the same value", async () => {
    await sql(`
      drop table if exists valued;
      create table valued (id int primary key, at timestamptz, price numeric, fixed numeric(9,2), code char(4), tags int[], doc json, raw bytea);
      select audit.track('valued');
      set timezone = 'Asia/Tokyo'; set bytea_output = 'escape';
      insert into valued values
        (1, '2026-01-02 03:04:05+00', 20.90, 1.50, 'ab', '{1,2}', '{"a": 1}', 'x'), (2, '2026-01-02 03:04:06+00', 21, 2, 'c', null, null, null);
      reset timezone; reset bytea_output`);
    const at = await stage.moment();
    await sql("delete from valued");
    const found = async (where: unknown) => {
      const { body } = await stage.preview({ tables: ["public.valued"], at, where });
      return (await stage.items(body.id)).map(({ recordId }) => recordId).toSorted();
    };
    expect(await found({ at: "2026-01-02T04:04:05+01:00" })).toEqual(["1"]);
    expect(await found({ price: 20.9 })).toEqual(["1"]);
    expect(await found({ price: ["20.900", 21.0] })).toEqual(["1", "2"]);
    expect(await found({ price: 20.91 })).toEqual([]);
    expect(await found({ fixed: 1.5 })).toEqual(["1"]);
    expect(await found({ fixed: ["1.5", 2] })).toEqual(["1", "2"]);
    expect(await found({ code: "ab" })).toEqual(["1"]);
    expect(await found({ raw: "\\x78" })).toEqual(["1"]);
    expect(await found({ tags: "{1,2}" })).toEqual(["1"]);
    expect(await found({ doc: '{ "a": 1 }' })).toEqual(["1"]);
    expect(await found({ price: [20.9, 21], tags: null, code: "c " })).toEqual(["2"]);
  });

  test("take a filter by texts where old values do not fit the column's type of today", async () => {
    await sql(
      "drop table if exists retyped; create table retyped (id int primary key, v text); select audit.track('retyped')",
    );
    await sql("insert into retyped values (1, 'one'), (2, '2')");
    const at = await stage.moment();
    await sql("delete from retyped; alter table retyped alter v type int using null");
    const { body } = await stage.preview({ tables: ["public.retyped"], at, where: { v: 2 } });
    expect((await stage.items(body.id)).map(({ recordId }) => recordId)).toEqual(["2"]);
  });

  test("in the middle of a transaction name it as a loss, which somebody has to have seen", async () => {
    const before = await stage.moment();
    const client = await stage.db.pool("admin").connect();
    await client.query("begin; update things set name = 'half' where id = 1");
    const at = await stage.moment();
    await client.query("update things set name = 'half' where id = 2");
    const { rows } = await client.query<{ id: string }>("select pg_current_xact_id()::text as id");
    await client.query("commit");
    client.release();
    const after = await stage.moment();
    await sql("update things set name = 'whole' where id = 3");

    const { body } = await stage.preview({ tables: [T], at });
    expect(body.problems).toMatchObject([
      {
        severity: "loss",
        code: "transaction_split",
        table: T,
        detail: { transactionId: rows[0]?.id, until: expect.any(String) },
      },
    ]);
    const unseen = await stage.call("POST", "/restores", {
      body: { target: { tables: [T], at }, reason: "r" },
    });
    expect(unseen).toMatchObject({ status: 409, body: { errors: [{ code: "transaction_split" }] } });
    expect(await stage.problems({ tables: [T], at: before })).toEqual([]);
    expect(await stage.problems({ tables: [T], at: after })).toEqual([]);

    await stage.restored({ tables: [T], at });
    expect((await things()).slice(0, 3)).toEqual(["(1,half,free,)", "(2,n2,free,)", "(3,n3,free,)"]);
  });

  test("undo a TRUNCATE, and what it took with it", async () => {
    await sql(`drop table if exists parts cascade; create table parts (id int primary key, thing int references things); select audit.track('parts');
      insert into parts values (1, 1), (2, 2)`);
    const before = [await things(), await stage.table("parts")];
    const id = await stage.as("ada", "truncate things cascade");
    await stage.restored({ transactionId: id });
    expect([await things(), await stage.table("parts")]).toEqual(before);
    const at = await stage.moment();
    await sql("truncate things, parts");
    await stage.restored({ tables: ["public.parts", T], at });
    expect([await things(), await stage.table("parts")]).toEqual(before);
  });

  test("undo ON CONFLICT, MERGE and COPY alike", async () => {
    const at = await stage.moment();
    const before = await things();
    await sql(
      "insert into things values (1, 'c'), (8, 'c') on conflict (id) do update set name = excluded.name",
    );
    await sql(`merge into things t using (values (2), (3), (7)) s (id) on t.id = s.id
      when matched and t.id = 2 then delete when matched then update set name = 'm' when not matched then insert values (s.id, 'm')`);
    await stage.restored({ tables: [T], at }, { strictDelete: true });
    expect(await things()).toEqual(before);
  });
});

test("a filter on a column whose type refuses values of then compares texts, and says which value it refuses", async () => {
  await sql(`create schema fit; create domain fit.money as numeric; create table fit.t (id int primary key, m fit.money);
    select audit.track('fit.t'); insert into fit.t values (1, 20), (2, -5)`);
  const at = await stage.moment();
  await sql("delete from fit.t; alter domain fit.money add check (value > 0)");
  const found = await stage.preview({ tables: ["fit.t"], at, where: { m: "20" } });
  expect(found.body).toMatchObject({ itemCount: 1 });
  const refused = await stage.preview({ tables: ["fit.t"], at, where: { m: "-5" } });
  expect(refused.status).toBe(400);
  expect(refused.body.errors).toMatchObject([{ path: "body.target.where.m" }]);
});

test.each(["", "none"])(
  "a filter on a column %j, which there is not, is refused by its name",
  async (name) => {
    await sql(
      "create table if not exists public.filtered (id int primary key); select audit.track('filtered')",
    );
    const target = { tables: ["public.filtered"], at: await stage.moment(), where: { [name]: 1 } };
    const refused = await stage.preview(target);
    expect(refused.status).toBe(400);
    expect(refused.body.errors).toMatchObject([{ path: `body.target.where.${name}` }]);
  },
);
