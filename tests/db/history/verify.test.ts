import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { useDatabase } from "../../support/database.ts";

const db = useDatabase();

interface Found {
  record_id: string;
  entry_id: string;
  kind: string;
  fields: string[] | null;
  explained_by: string | null;
}

const sql = (text: string, values?: unknown[]) => db.rows("admin", text, values);

/** What the workflows' role finds about every record of a table. */
const breaks = (table: string) =>
  db.rows<Found>(
    "worker",
    `with entries as (select * from audit_logs where table_schema || '.' || table_name = $1)
     select * from audit.history_breaks($1::regclass, array(
       select record_id from entries union select new_record_id from entries where new_record_id is not null))`,
    [table],
  );
const kinds = async (table: string) =>
  (await breaks(table)).map(({ record_id, kind, fields, explained_by }) => [
    record_id,
    kind,
    fields,
    explained_by,
  ]);

/** Changes the history itself, which its guard refuses to everyone. */
const forge = (text: string) =>
  db.asOwner(`
    begin;
    alter table audit_logs disable trigger user;
    ${text};
    alter table audit_logs enable trigger user;
    commit`);

/** Changes a table behind the history's back. */
const unrecorded = (table: string, text: string) =>
  sql(
    `begin; alter table ${table} disable trigger user; ${text}; alter table ${table} enable trigger user; commit`,
  );

let count = 0;
let table = "";
/** A tracked table of the test's own. */
async function tracked(columns = "id int primary key, name text, n numeric", options = ""): Promise<void> {
  table = `app.t${++count}`;
  await sql(`create table ${table} (${columns})`);
  await sql(`select audit.track('${table}'${options})`);
}

beforeAll(async () => {
  await sql("create schema app");
});

describe("a history without a break", () => {
  test("of inserts, updates, changed keys, deletes, rows that come again and a TRUNCATE", async () => {
    await tracked();
    await sql(`insert into ${table} select i, 'n' || i, i from generate_series(1, 50) i`);
    await sql(`update ${table} set name = name || '!' where id % 2 = 0`);
    await sql(`update ${table} set id = id + 1000 where id <= 10`);
    await sql(`update ${table} set id = id - 1 where id > 1000`);
    await sql(`delete from ${table} where id between 20 and 30`);
    await sql(`insert into ${table} select i, 'again', 0 from generate_series(20, 25) i`);
    await sql(
      `with gone as (delete from ${table} where id = 40 returning *) insert into ${table} select 41000, name, n from gone`,
    );
    await sql(
      `begin; update ${table} set n = 1; update ${table} set n = 2; delete from ${table} where id = 45; commit`,
    );
    expect(await breaks(table)).toEqual([]);
    await sql(`truncate ${table}`);
    await sql(`insert into ${table} values (1, 'after', null)`);
    expect(await breaks(table)).toEqual([]);
  });

  test("of rows that are older than the tracking", async () => {
    await sql(
      "create table app.older (id int primary key, v text); insert into app.older values (1, 'a'), (2, 'b'), (3, 'c')",
    );
    await sql("select audit.track('app.older')");
    await sql("update app.older set v = 'x' where id = 1; delete from app.older where id = 2");
    expect(await breaks("app.older")).toEqual([]);
  });

  test("of values that JSON cannot hold, and of types that sessions write differently", async () => {
    await tracked(
      "id date primary key, j json, b jsonb, f float8, a int[], t timestamptz, y bytea, i interval, r tstzrange, e numeric(8, 3)",
    );
    const row = (id: string, more: string) =>
      sql(
        `insert into ${table} values ('2026-01-0${id}', ${more}, now(), '\\x00ff', '1 day', '[2026-01-01, 2026-02-01)', 1.500)`,
      );
    await row("1", `'{"b":1,"a":1.0}', 'null', '-0', '[0:1]={1,2}'`);
    await row("2", `'null', null, 'NaN', '{}'`);
    await sql(`
      begin;
      set local timezone = 'Asia/Kolkata'; set local bytea_output = 'escape';
      set local intervalstyle = 'sql_standard'; set local datestyle = 'German';
      update ${table} set t = t + interval '1 hour', e = 2.50;
      commit`);
    await sql(`update ${table} set f = 0, b = '1', a = '{1,2}', j = '1.00'`);
    await sql(`update ${table} set f = '-0', b = 'null', a = '[5:6]={1,2}', j = '{"z":1, "a":2}'`);
    expect(await breaks(table)).toEqual([]);
  });

  test("of times and bytes as each session writes them", async () => {
    await tracked("id int primary key, t timestamptz, y bytea, n int");
    await sql(`insert into ${table} values (1, now(), '\\x00ff', 1)`);
    await sql(`
      begin; set local timezone = 'Asia/Kolkata'; set local bytea_output = 'escape'; update ${table} set n = 2; commit`);
    await sql(`update ${table} set n = 3`);
    const images = await sql(
      "select distinct old_values -> 't', old_values -> 'y' from audit_logs where table_name = $1 and action = 'UPDATE'",
      [table.slice(4)],
    );
    expect([images.length, await breaks(table)]).toEqual([2, []]);
    await sql(`alter table ${table} drop column t`);
    expect(await breaks(table)).toEqual([]);
  });

  test("of keys of several columns and of types of an extension", async () => {
    await tracked("a text, b int, v text, primary key (a, b)");
    await sql(`insert into ${table} values ('x"y', 1, 'v'), ('[', 2, 'w')`);
    await sql(`update ${table} set b = 7 where a = '['`);
    expect(await breaks(table)).toEqual([]);
    await db.rows(
      "superuser",
      "create schema if not exists ext; create extension if not exists ltree schema ext; grant usage on schema ext to public",
    );
    await tracked("id ext.ltree primary key, v text");
    await sql(`insert into ${table} values ('top.a', 'v'); update ${table} set v = 'w'`);
    expect(await breaks(table)).toEqual([]);
  });

  test("of a partitioned table whose rows move", async () => {
    await sql(`
      create table app.parts (id int, region text, v text, primary key (id, region)) partition by list (region);
      create table app.parts_eu partition of app.parts for values in ('eu');
      create table app.parts_us partition of app.parts for values in ('us');
      select audit.track('app.parts')`);
    await sql("insert into app.parts values (1, 'eu', 'a'), (2, 'us', 'b')");
    await sql("update app.parts set region = 'us' where id = 1; delete from app.parts_us where id = 2");
    expect(await breaks("app.parts")).toEqual([]);
  });

  test("of excluded, redacted and ignored columns, also where the options change", async () => {
    await tracked(
      "id int primary key, a text, b text, c text, v int",
      ", exclude => '{a}', redact => '{b}', ignore => '{c}'",
    );
    await sql(`insert into ${table} values (1, 'a', 'b', 'c', 1), (2, 'a', null, 'c', 1)`);
    await sql(`update ${table} set c = 'other'`);
    await sql(`update ${table} set a = 'x', b = 'y', v = 2 where id = 1`);
    await sql(`update ${table} set v = 2 where id = 2`);
    expect(await breaks(table)).toEqual([]);
    await sql(`select audit.track('${table}', exclude => '{b}', redact => '{a}', ignore => '{c}')`);
    await sql(`update ${table} set v = 3`);
    await sql(`select audit.track('${table}', ignore => '{c}')`);
    await sql(`update ${table} set v = 4`);
    expect(await breaks(table)).toEqual([]);
  });

  test.each([
    ["added", "add column c text default 'c'"],
    ["dropped", "drop column n"],
    ["renamed", "rename column name to label"],
    ["widened", "alter n type numeric(12, 4)"],
    ["made a text", "alter n type text"],
    ["the key, made a text", "alter id type text"],
    ["the key, renamed", "rename column id to number"],
  ])("across a column that is %s", async (_, ddl) => {
    await tracked();
    await sql(`insert into ${table} values (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)`);
    await sql(`delete from ${table} where name = 'c'`);
    await sql(`alter table ${table} ${ddl}`);
    expect(await breaks(table)).toEqual([]);
    await sql(`update ${table} set ${ddl.includes("to label") ? "label" : "name"} = 'z' where true`);
    expect(await breaks(table)).toEqual([]);
    await sql(`select audit.track('${table}')`);
    await sql(`delete from ${table}`);
    expect(await breaks(table)).toEqual([]);
  });

  test("across a label of an enum that is renamed", async () => {
    await sql("create type app.mood as enum ('good', 'bad')");
    await tracked("id int primary key, mood app.mood, v int");
    await sql(`insert into ${table} values (1, 'bad', 1); update ${table} set v = 2`);
    await sql("alter type app.mood rename value 'bad' to 'sad'");
    expect(await kinds(table)).toEqual([["1", "live", ["mood"], "columns"]]);
  });

  test("where old keys are no values of the key's type of today", async () => {
    await tracked("id text primary key, v int");
    await sql(`insert into ${table} values ('x', 1), ('7', 2); delete from ${table} where id = 'x'`);
    await sql(`alter table ${table} alter id type int using id::int`);
    await sql(`update ${table} set v = 3`);
    expect(await breaks(table)).toEqual([]);
  });

  test("of a table that is tracked anew: what was before does not count", async () => {
    await tracked();
    await sql(`insert into ${table} values (1, 'a', 1)`);
    await sql(`select audit.untrack('${table}')`);
    await sql(`update ${table} set name = 'unseen'`);
    await sql(`select audit.track('${table}')`);
    await sql(`update ${table} set name = 'seen'`);
    expect(await breaks(table)).toEqual([]);
  });
});

test("writers who meet on the same rows leave no break, nor is one seen while they write", async () => {
  await tracked();
  const [target, writers, turns, keys] = [table, 5, 60, 6];
  const statements = [
    (k: number, o: number) =>
      `insert into ${target} values (${k}, 'i', ${o}) on conflict (id) do update set n = excluded.n`,
    (k: number, o: number) => `update ${target} set name = name || ${o}, n = n + 1 where id >= ${k}`,
    (k: number, o: number) => `update ${target} set id = ${o} where id = ${k}`,
    (k: number) => `delete from ${target} where id = ${k}`,
    (k: number, o: number) =>
      `begin; update ${target} set n = ${o} where id = ${k}; update ${target} set n = n * 2 where id = ${o}; ${o % 2 ? "commit" : "rollback"}`,
  ];
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  let writing = writers;
  const write = async () => {
    const client = await db.pool("admin").connect();
    for (let i = 0; i < turns; i++) {
      const statement = statements[random(statements.length)]?.(random(keys), random(keys)) as string;
      // A key that is taken, or a deadlock, is the writers' own affair.
      await client.query(statement).catch(() => client.query("rollback"));
    }
    client.release();
    writing--;
  };
  const look = async () => {
    while (writing > 0) expect(await breaks(target)).toEqual([]);
  };
  await Promise.all([...Array.from({ length: writers }, write), look()]);
  expect(await breaks(target)).toEqual([]);
  const [written] = await sql("select count(*)::int as n from audit_logs where table_name = $1", [
    target.slice(4),
  ]);
  expect(written?.n).toBeGreaterThan(turns);
});

describe("a break", () => {
  beforeEach(async () => {
    await tracked();
    await sql(`insert into ${table} values (1, 'a', 1), (2, 'b', 2)`);
    await sql(`update ${table} set name = name || '!', n = 10`);
    await sql(`update ${table} set name = name || '?'`);
  });
  const of = (action: string, id = 1) =>
    `where table_name = '${table.slice(4)}' and record_id = '${id}' and action = '${action}'`;
  const last = (action: string) => `id = (select max(id) from audit_logs ${of(action)})`;

  test.each([
    [
      "a value in an old image",
      () => `update audit_logs set old_values = old_values || '{"name": "forged"}' where ${last("UPDATE")}`,
      [["1", "image", ["name"], null]],
    ],
    [
      "a value in the newest image",
      () => `update audit_logs set new_values = '{"name": "forged"}' where ${last("UPDATE")}`,
      [["1", "live", ["name"], null]],
    ],
    [
      "a column taken out of an image",
      () => `update audit_logs set old_values = old_values - 'n' where ${last("UPDATE")}`,
      [
        ["1", "image", ["n"], null],
        ["1", "live", ["n"], null],
      ],
    ],
    [
      "a column taken out of the first image",
      () => `update audit_logs set new_values = new_values - 'n' ${of("INSERT")}`,
      [["1", "image", ["n"], null]],
    ],
    [
      "a whole image",
      () => `update audit_logs set old_values = null where ${last("UPDATE")}`,
      [["1", "image", ["id", "n", "name"], null]],
    ],
    [
      "an entry",
      () => `delete from audit_logs where id = (select min(id) from audit_logs ${of("UPDATE")})`,
      [["1", "image", ["n", "name"], null]],
    ],
    [
      "the last entry",
      () => `delete from audit_logs where ${last("UPDATE")}`,
      [["1", "live", ["name"], null]],
    ],
  ])("is found where somebody altered or removed %s", async (_, text, found) => {
    await forge(text());
    const seen = await kinds(table);
    expect(seen.filter(([, kind]) => kind === found[0]?.[1])).toMatchObject([found[0]]);
    expect(seen.every(([record, , , explained]) => record === "1" && explained === null)).toBe(true);
  });

  test("is found where a row changed, came or went unrecorded", async () => {
    await sql(`insert into ${table} values (3, 'c', 3), (4, 'd', 4); delete from ${table} where id = 4`);
    await unrecorded(
      table,
      `update ${table} set n = 99 where id = 1; delete from ${table} where id = 2; insert into ${table} values (4, 'd', 4)`,
    );
    expect(await kinds(table)).toEqual([
      ["1", "live", ["n"], null],
      ["2", "live", null, null],
      ["4", "live", null, null],
    ]);
    const [live] = await breaks(table);
    const [entry] = await sql(`select max(id) as id from audit_logs ${of("UPDATE")}`);
    expect(live?.entry_id).toBe(entry?.id);
  });

  test("is found where a deletion or a return is missing between two entries", async () => {
    await unrecorded(table, `delete from ${table} where id = 1`);
    await sql(`insert into ${table} values (1, 'new', 1)`);
    expect(await kinds(table)).toEqual([["1", "gap", null, null]]);
    await sql(`delete from ${table} where id = 2`);
    await unrecorded(table, `insert into ${table} values (2, 'back', 1)`);
    await sql(`update ${table} set n = 5 where id = 2`);
    expect(await kinds(table)).toEqual([
      ["1", "gap", null, null],
      ["2", "gap", null, null],
    ]);
  });

  test("is found in what JSON cannot tell apart: a JSON null or none, -0 or 0", async () => {
    await tracked("id int primary key, b jsonb, f float8");
    await sql(`insert into ${table} values (1, 'null', '-0'), (2, null, 0)`);
    await unrecorded(
      table,
      `update ${table} set b = null where id = 1; update ${table} set f = '-0' where id = 2`,
    );
    expect(await kinds(table)).toEqual([
      ["1", "live", ["b"], null],
      ["2", "live", ["f"], null],
    ]);
  });

  test("is found where a redacted value came or went, which is all that is known of it", async () => {
    await tracked("id int primary key, secret text", ", redact => '{secret}'");
    await sql(`insert into ${table} values (1, 's'), (2, null), (3, 's')`);
    await unrecorded(
      table,
      `update ${table} set secret = case id when 1 then null when 2 then 't' else 'u' end`,
    );
    expect(await kinds(table)).toEqual([
      ["1", "live", ["secret"], null],
      ["2", "live", ["secret"], null],
    ]);
  });

  test("is found where an image is missing, also of a record's only entry", async () => {
    await sql(`insert into ${table} values (5, 'e', 5); delete from ${table} where id = 5`);
    await forge(
      `delete from audit_logs ${of("INSERT", 5)}; update audit_logs set old_values = null ${of("DELETE", 5)}`,
    );
    expect(await kinds(table)).toEqual([["5", "image", null, null]]);
  });

  test("under both keys where the entry of a changed key is gone", async () => {
    await sql(`update ${table} set id = 100 where id = 1; update ${table} set n = 3 where id = 100`);
    expect(await breaks(table)).toEqual([]);
    await forge(`delete from audit_logs where new_record_id = '100' and table_name = '${table.slice(4)}'`);
    expect(await kinds(table)).toEqual([["1", "live", null, null]]);
  });

  test("is explained while capture is off, and by errors that it let through", async () => {
    await sql("select audit.switch_capture(false)");
    await sql(`update ${table} set n = 99 where id = 1`);
    expect(await kinds(table)).toEqual([["1", "live", ["n"], "off"]]);
    await sql("select audit.switch_capture(true)");
    await sql(`update ${table} set n = 100 where id = 1`);
    expect(await kinds(table)).toEqual([["1", "image", ["n"], "off"]]);
    // Later breaks are none of that gap's.
    await unrecorded(table, `update ${table} set n = 101 where id = 1`);
    expect((await kinds(table)).map(([, kind, , explained]) => [kind, explained])).toEqual([
      ["image", "off"],
      ["live", null],
    ]);
    await db.asOwner(
      "insert into capture_gaps values ($1::regclass, 'app', $2, 'error', date_trunc('minute', now()), now(), '42P01', 'x')",
      [table, table.slice(4)],
    );
    expect((await kinds(table)).at(-1)).toEqual(["1", "live", ["n"], "error"]);
  });

  test("is explained where the column was altered in between, and only there", async () => {
    await unrecorded(table, `update ${table} set name = 'unseen' where id = 2`);
    await sql(`update ${table} set n = 11`);
    await sql(`alter table ${table} alter n type text using 'n' || n`);
    expect(await kinds(table)).toEqual([
      ["1", "live", ["n"], "columns"],
      ["2", "image", ["name"], null],
      ["2", "live", ["n"], "columns"],
    ]);
    await sql(`update ${table} set name = 'z'`);
    await unrecorded(table, `update ${table} set n = 'm' where id = 1`);
    expect(await kinds(table)).toEqual([
      ["1", "image", ["n"], "columns"],
      ["1", "live", ["n"], null],
      ["2", "image", ["name"], null],
      ["2", "image", ["n"], "columns"],
    ]);
  });

  test("of order, where a trigger changes the row that is just being changed", async () => {
    await sql(`
      create function app.count_up() returns trigger language plpgsql as $$ begin
        if pg_trigger_depth() < 2 then execute format('update app.%I set n = n + 1 where id = $1', tg_table_name) using new.id; end if;
        return null;
      end $$;
      create trigger count_up after update on ${table} for each row execute function app.count_up()`);
    await sql(`update ${table} set name = 'x' where id = 1`);
    await sql(`update ${table} set name = 'y' where id = 1`);
    await sql(`drop trigger count_up on ${table}`);
    await sql(`update ${table} set name = 'z' where id = 1`);
    expect((await kinds(table)).map(([record, kind]) => [record, kind])).toEqual([
      ["1", "order"],
      ["1", "order"],
    ]);
    await sql("drop function app.count_up() cascade");
  });
});

test("only a tracked table is checked, and only by who may", async () => {
  await sql("create table app.untracked (id int primary key)");
  await expect(breaks("app.untracked")).rejects.toMatchObject({ code: "55000" });
  await expect(
    db.rows("app", "select * from audit.history_breaks('app.untracked', '{}')"),
  ).rejects.toMatchObject({ code: "42501" });
});
