import pg from "pg";
import { beforeAll, describe, expect, test } from "vitest";
import { useDatabase } from "../../support/database.ts";

const db = useDatabase();
const sql = (text: string, values?: unknown[]) => db.rows("admin", text, values);
const history = (table: string) =>
  db.rows<{ action: string; record_id: string; old_values: object | null; new_values: object | null }>(
    "app",
    "select * from audit_logs where table_name = $1 order by id",
    [table],
  );
const problems = async (relation: string) =>
  (
    await db.rows<{ problem: string }>(
      "app",
      "select problem from audit.capture_problems() where relation = $1",
      [relation],
    )
  ).map((row) => row.problem);

beforeAll(async () => {
  await sql("create schema app");
});

describe("a column that was dropped and added again", () => {
  test.each(["exclude", "redact"])("stays hidden under %s", async (option) => {
    const table = `app.again_${option}`;
    await sql(`create table ${table} (id int primary key, secret text, v int)`);
    await sql(`select audit.track('${table}', ${option} => '{secret}')`);
    await sql(`alter table ${table} drop secret; alter table ${table} add secret text`);
    await sql(`insert into ${table} values (1, 2, 's3cret')`);
    await sql(`update ${table} set v = 3, secret = 's3cret too'`);
    await sql(`delete from ${table}`);
    await sql(`alter table ${table} add more int; insert into ${table} values (2, 3, 's3cret')`);
    await sql(`update ${table} set more = 1, secret = 's3cret too'`);
    const rows = await history(table.slice(4));
    expect(rows).toHaveLength(5);
    expect(JSON.stringify(rows)).not.toContain("s3cret");
  });

  test("stays ignored, and a key column stays the key", async () => {
    await sql("create table app.again (id int primary key, seen int, v int)");
    await sql("select audit.track('app.again', ignore => '{seen}')");
    await sql("alter table app.again drop seen; alter table app.again add seen int");
    await sql("alter table app.again drop id; alter table app.again add id int primary key");
    await sql("insert into app.again (id, v) values (7, 1)");
    await sql("update app.again set seen = 5");
    expect((await history("again")).map((row) => [row.action, row.record_id])).toEqual([["INSERT", "7"]]);
  });
});

describe("a transaction that began before a column was renamed", () => {
  test("is told to run again, and a session that recorded before records under the new name", async () => {
    await sql(
      "create table app.renamed (id int primary key, a text); insert into app.renamed values (1, 'x')",
    );
    await sql("select audit.track('app.renamed')");
    const client = new pg.Client(db.url("admin"));
    await client.connect();
    try {
      await client.query("update app.renamed set a = 'warm'");
      await client.query("begin isolation level repeatable read; select 1 from pg_class limit 1");
      await sql("alter table app.renamed rename a to b");
      await expect(client.query("update app.renamed set id = 2")).rejects.toMatchObject({ code: "40001" });
      await client.query("rollback");
      await client.query("update app.renamed set b = 'y'");
      await client.query("update app.renamed set b = 'z'");
    } finally {
      await client.end();
    }
    expect((await history("renamed")).map((row) => row.new_values)).toEqual([
      { a: "warm" },
      { b: "y" },
      { b: "z" },
    ]);
    expect(await problems("app.renamed")).toEqual(["stale"]);
  });
});

test("what equals by its type but is stored differently is a change, in one row and in many", async () => {
  await sql(`
    create collation app.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    create table app.equal (id int primary key, n numeric, t text collate app.ci, f float8, j jsonb);
    insert into app.equal values (1, 1.0, 'a', 0, '1.0'), (2, 1.0, 'a', 0, '1.0');
  `);
  await sql("select audit.track('app.equal')");
  await sql("update app.equal set n = 1.00, t = 'A', f = '-0', j = '1.00' where id = 1");
  await sql("update app.equal set n = 1.00, t = 'A', f = '-0', j = '1.00'");
  const changed = await sql(
    "select record_id, changed_fields from audit_logs where table_name = 'equal' order by id",
  );
  expect(changed).toEqual([
    { record_id: "1", changed_fields: ["n", "t", "f", "j"] },
    { record_id: "2", changed_fields: ["n", "t", "f", "j"] },
  ]);
});

test("one row and many leave the same entry", async () => {
  const columns = "id int primary key, a text, b jsonb, c numeric, secret text, mail text, at timestamptz";
  const entries: object[][] = [];
  for (const [table, rows] of [
    ["app.same_one", 1],
    ["app.same_many", 2],
  ] as const) {
    await sql(`create table ${table} (${columns})`);
    await sql(`select audit.track('${table}', exclude => '{secret}', redact => '{mail}')`);
    await sql(
      `insert into ${table} select n, 'x', 'null', 1, 's', 'm', '2026-01-01' from generate_series(1, ${rows}) n`,
    );
    await sql(`update ${table} set a = null, b = '{"k": null}', mail = null, secret = 't'`);
    await sql(`update ${table} set id = id + 10, mail = 'n', at = 'infinity', b = 'null'`);
    entries.push(
      await sql(
        `select record_id, new_record_id, action, old_values, new_values, changed_fields, exact_values
         from audit_logs where table_schema = 'app' and table_name = $1 and record_id in ('1') order by id`,
        [table.slice(4)],
      ),
    );
  }
  expect(entries[0]).toHaveLength(3);
  expect(entries[0]).toEqual(entries[1]);
});

test("a table with hundreds of columns that JSON does not hold is recorded, in one row and in many", async () => {
  const columns = Array.from({ length: 200 }, (_, i) => `c${i} ${i % 2 === 0 ? "float8" : "jsonb"}`);
  await sql(`create table app.wide (id int primary key, ${columns.join(", ")})`);
  await sql("select audit.track('app.wide')");
  await sql("insert into app.wide (id, c0, c199) values (1, '-0', 'null'), (2, 1, '{}')");
  await sql("update app.wide set c198 = '-0' where id = 1");
  await sql("update app.wide set c197 = 'null'");
  const found = await sql(
    "select action, exact_values from audit_logs where table_name = 'wide' and record_id = '1' order by id",
  );
  expect(found).toEqual([
    { action: "INSERT", exact_values: { new: { c0: "-0", c199: "null" } } },
    {
      action: "UPDATE",
      exact_values: { old: { c0: "-0", c199: "null" }, new: { c0: "-0", c198: "-0", c199: "null" } },
    },
    {
      action: "UPDATE",
      exact_values: {
        old: { c0: "-0", c198: "-0", c199: "null" },
        new: { c0: "-0", c197: "null", c198: "-0", c199: "null" },
      },
    },
  ]);
});

describe("a partition that was made after the tracking began", () => {
  beforeAll(async () => {
    await sql(`
      create table app.parts (id int, region text, primary key (id, region)) partition by list (region);
      create table app.parts_eu partition of app.parts for values in ('eu');
      create table app.parts_us partition of app.parts for values in ('us') partition by range (id);
      create table app.parts_us_1 partition of app.parts_us for values from (0) to (10);
    `);
    await sql("select audit.track('app.parts')");
    await sql("create table app.parts_us_2 partition of app.parts_us for values from (10) to (20)");
    await sql("create table app.parts_as partition of app.parts for values in ('as')");
    await sql("insert into app.parts values (1, 'eu'), (2, 'us'), (12, 'us'), (3, 'as')");
  });

  test("is named as a problem until it is tracked", async () => {
    expect(await problems("app.parts_as")).toEqual(["partition"]);
    expect(await problems("app.parts_us_2")).toEqual(["partition"]);
    expect(await problems("app.parts_us_1")).toEqual([]);
  });

  test("is recorded once by a TRUNCATE of whatever holds it", async () => {
    await sql("truncate app.parts");
    const gone = (await history("parts")).filter((row) => row.action === "TRUNCATE");
    expect(gone.map((row) => row.record_id).toSorted()).toEqual([
      '[1, "eu"]',
      '[12, "us"]',
      '[2, "us"]',
      '[3, "as"]',
    ]);
    await sql("insert into app.parts values (13, 'us')");
    await sql("truncate app.parts_us");
    expect(await history("parts")).toContainEqual(
      expect.objectContaining({ action: "TRUNCATE", record_id: '[13, "us"]' }),
    );
  });
});

describe("a row that a trigger refuses on its way to another partition", () => {
  beforeAll(async () => {
    await sql(`
      create table app.moving (id int, region text, v int, primary key (id, region)) partition by list (region);
      create table app.moving_a partition of app.moving for values in ('a');
      create table app.moving_b partition of app.moving for values in ('b');
      create function app.refuse() returns trigger language plpgsql as $$ begin
        if new.id % 3 = 0 then return null; end if; return new; end $$;
      create trigger refuse before insert on app.moving_b for each row execute function app.refuse();
    `);
    await sql("select audit.track('app.moving')");
    await sql("insert into app.moving select n, 'a', 0 from generate_series(1, 6) n");
  });

  test.each([
    ["alone", "update app.moving set region = 'b' where id = 3", ['DELETE [3, "a"]']],
    [
      "among others, is recorded as deleted, and no row under another's key",
      "update app.moving set region = case when id > 4 then 'b' else 'a' end, v = id where id <> 3",
      [
        'DELETE [5, "a"]',
        'DELETE [6, "a"]',
        'INSERT [5, "b"]',
        'UPDATE [1, "a"]',
        'UPDATE [2, "a"]',
        'UPDATE [4, "a"]',
      ],
    ],
  ])("%s", async (_, text, expected) => {
    const before = (await history("moving")).length;
    await sql(text);
    const rows = (await history("moving")).slice(before);
    expect(rows.map((row) => `${row.action} ${row.record_id}`).toSorted()).toEqual(expected);
  });
});

describe("capture_problems()", () => {
  test("is empty for what is tracked, and for what was switched off", async () => {
    await sql("create table app.fine (id int primary key); select audit.track('app.fine')");
    await sql("select audit.switch_capture(false)");
    expect(await problems("app.fine")).toEqual([]);
    await sql("select audit.switch_capture(true)");
    expect(await problems("app.fine")).toEqual([]);
    expect(
      await db.rows("worker", "select from audit.capture_problems() where relation = 'app.fine'"),
    ).toEqual([]);
  });

  test.each([
    ["a trigger that is disabled", "triggers", "alter table app.it disable trigger audit_delete"],
    ["a trigger that is gone", "triggers", "drop trigger audit_update on app.it"],
    ["an added column", "stale", "alter table app.it add column more int"],
    ["a changed type", "stale", "alter table app.it alter v type text"],
    ["row-level security without our policy", "policy", "alter table app.it enable row level security"],
    ["a table that was dropped", "gone", "drop table app.it"],
  ])("names %s, and tracking again ends it", async (_, problem, break_) => {
    await sql("drop table if exists app.it; select audit.forget_dropped()");
    await sql("create table app.it (id int primary key, v int); select audit.track('app.it')");
    await sql(break_);
    expect(await problems("app.it")).toEqual([problem]);
    await sql(problem === "gone" ? "select audit.forget_dropped()" : "select audit.track('app.it')");
    expect(await problems("app.it")).toEqual([]);
  });

  test("names a capture function that was replaced", async () => {
    await sql("create table app.swapped (id int primary key); select audit.track('app.swapped')");
    const [{ oid } = { oid: "" }] = await sql("select 'app.swapped'::regclass::oid::text as oid");
    await db.rows(
      "superuser",
      `create or replace function audit.capture_${oid}() returns trigger language plpgsql security definer
       as 'begin return null; end'`,
    );
    expect(await problems("app.swapped")).toEqual(["triggers"]);
  });
});

describe("a renamed table", () => {
  test("goes on under the name that it had, tracked again too, and lets no other table into its history", async () => {
    await sql("create table app.first_name (id int primary key); select audit.track('app.first_name')");
    await sql("alter table app.first_name rename to second_name");
    await sql("insert into app.second_name values (1)");
    await sql("select audit.track('app.second_name')");
    await sql("insert into app.second_name values (2)");
    expect((await history("first_name")).map((row) => row.record_id)).toEqual(["1", "2"]);
    expect(await history("second_name")).toEqual([]);
    await sql("create table app.first_name (id int primary key)");
    await expect(sql("select audit.track('app.first_name')")).rejects.toMatchObject({
      message: expect.stringContaining("is that of app.second_name"),
    });
    await sql("select audit.untrack('app.second_name')");
    await sql("select audit.track('app.first_name')");
  });
});

describe("on_error => 'warn'", () => {
  test("lets writers that fail together through without waiting for each other", async () => {
    await sql(
      "create table app.soft (id int primary key); select audit.track('app.soft', on_error => 'warn')",
    );
    await db.rows("superuser", "alter table audit.audit_logs rename to audit_logs_away");
    const clients = [new pg.Client(db.url("admin")), new pg.Client(db.url("admin"))];
    try {
      for (const [i, client] of clients.entries()) {
        await client.connect();
        await client.query(`set lock_timeout = '2s'; begin; insert into app.soft values (${i})`);
        await client.query(`insert into app.soft values (${i + 10})`);
      }
      for (const client of clients) await client.query("commit");
    } finally {
      for (const client of clients) await client.end();
      await db.rows("superuser", "alter table audit.audit_logs_away rename to audit_logs");
    }
    expect(await sql("select from app.soft")).toHaveLength(4);
    expect(await sql("select from capture_gaps where table_name = 'soft' and reason = 'error'")).toHaveLength(
      2,
    );
  });
});

test.each(["timestamptz", "bytea"])(
  "a %s key gives the same record_id whatever the session's settings",
  async (type) => {
    const table = `app.keyed_${type}`;
    await sql(`create table ${table} (id ${type} primary key, v int)`);
    await sql(`select audit.track('${table}')`);
    const value = type === "bytea" ? "'\\x00ff'::bytea" : "'2026-11-21T12:00:00Z'::timestamptz";
    await sql(`insert into ${table} values (${value}, 1)`);
    const client = await db.pool("admin").connect();
    try {
      await client.query("set timezone = 'Pacific/Auckland'; set bytea_output = 'escape'");
      await client.query(`update ${table} set v = 2`);
    } finally {
      client.release(true);
    }
    const ids = await sql(`select distinct record_id from audit_logs where table_name = 'keyed_${type}'`);
    expect(ids).toHaveLength(1);
  },
);

test("tracking a table again while capture is off ends the gap", async () => {
  await sql("create table app.switched (id int primary key)");
  await sql("select audit.track('app.switched')");
  await sql("select audit.switch_capture(false)");
  await sql("select audit.track('app.switched')");
  const open = await sql(
    "select ended_at is null as open from audit.capture_gaps where table_name = 'switched'",
  );
  expect(open).toEqual([{ open: false }]);
  await sql("select audit.switch_capture(true)");
});
