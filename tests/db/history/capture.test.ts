import { beforeAll, describe, expect, test } from "vitest";
import { useDatabase } from "../../support/database.ts";

const db = useDatabase();

interface Row {
  record_id: string;
  new_record_id: string | null;
  action: string;
  old_values: Record<string, unknown> | null;
  new_values: Record<string, unknown> | null;
  changed_fields: string[] | null;
  exact_values: Record<string, Record<string, string>> | null;
  user_id: string | null;
}

const sql = (text: string, values?: unknown[]) => db.rows("admin", text, values);
const history = (table: string) =>
  db.rows<Row>("app", "select * from audit_logs where table_name = $1 order by id", [table]);
/** What one statement leaves in the history of a table. */
async function recorded(table: string, text: string): Promise<Row[]> {
  const before = (await history(table)).length;
  await sql(text);
  return (await history(table)).slice(before);
}

beforeAll(async () => {
  await sql("create schema if not exists app");
});

describe("a tracked table", () => {
  beforeAll(async () => {
    await sql(
      "create table app.people (id int primary key, name text, email text, secret text, seen timestamptz, data jsonb)",
    );
    await sql(
      "select audit.track('app.people', exclude => '{secret}', redact => '{email}', ignore => '{seen}')",
    );
  });

  test("records an INSERT with its whole image, without excluded and with redacted columns hidden", async () => {
    expect(
      await recorded("people", "insert into app.people values (1, 'Ann', 'a@x', 's3', null, '{\"a\": 1}')"),
    ).toMatchObject([
      {
        record_id: "1",
        action: "INSERT",
        old_values: null,
        new_values: { id: 1, name: "Ann", email: "[redacted]", seen: null, data: { a: 1 } },
      },
    ]);
    expect(JSON.stringify(await history("people"))).not.toMatch(/s3|a@x/);
  });

  test("records an UPDATE with the whole old image and the changed columns of the new", async () => {
    const [row] = await recorded("people", "update app.people set name = 'Bea' where id = 1");
    expect(row).toMatchObject({
      action: "UPDATE",
      record_id: "1",
      new_record_id: null,
      old_values: { id: 1, name: "Ann", email: "[redacted]", data: { a: 1 } },
      new_values: { name: "Bea" },
      changed_fields: ["name"],
    });
    expect(row?.new_values).toEqual({ name: "Bea" });
  });

  test("records a change of a redacted column as one, without its value", async () => {
    expect(await recorded("people", "update app.people set email = 'b@x' where id = 1")).toMatchObject([
      { changed_fields: ["email"], new_values: { email: "[redacted]" } },
    ]);
  });

  test.each([
    ["that changes nothing", "update app.people set name = name"],
    ["of ignored columns alone", "update app.people set seen = now()"],
    ["of excluded columns alone", "update app.people set secret = 'other'"],
    ["of no row", "update app.people set name = 'x' where false"],
  ])("records nothing of an UPDATE %s", async (_, text) => {
    expect(await recorded("people", text)).toEqual([]);
  });

  test("pairs old and new where keys change, one by one or shifted by one", async () => {
    await sql("insert into app.people select n, 'p' || n from generate_series(10, 19) n");
    const moved = await recorded("people", "update app.people set id = id + 100 where id between 10 and 19");
    expect(moved.map((row) => [row.record_id, row.new_record_id, row.old_values?.name])).toEqual(
      Array.from({ length: 10 }, (_, i) => [`${10 + i}`, `${110 + i}`, `p${10 + i}`]),
    );
  });

  test("records a DELETE with its image, and a TRUNCATE row by row", async () => {
    expect(await recorded("people", "delete from app.people where id = 1")).toMatchObject([
      { action: "DELETE", record_id: "1", old_values: { name: "Bea" }, new_values: null },
    ]);
    const gone = await recorded("people", "truncate app.people");
    expect(gone).toHaveLength(10);
    expect(gone[0]).toMatchObject({ action: "TRUNCATE", old_values: { id: expect.any(Number) } });
  });
});

describe("what else writes to a tracked table", () => {
  beforeAll(async () => {
    await sql(`
      create table app.owners (id text primary key, name text);
      create table app.pets (
        owner_id text references app.owners on delete cascade on update cascade,
        no int, name text, primary key (owner_id, no)
      );
      create table app."Odd Name" ("Id" uuid primary key, "select" text, "t" int);
      create table app.tree (id int primary key, parent int references app.tree on delete cascade);
    `);
    for (const table of ["app.owners", "app.pets", 'app."Odd Name"', "app.tree"]) {
      await sql(`select audit.track('${table}')`);
    }
  });

  test("a cascade, with composite keys as JSON arrays", async () => {
    await sql("insert into app.owners values ('a', 'A'), ('b', 'B')");
    await sql("insert into app.pets values ('a', 1, 'x'), ('a', 2, 'y'), ('b', 1, 'z')");
    expect(await recorded("pets", "update app.owners set id = 'c' where id = 'b'")).toMatchObject([
      { action: "UPDATE", record_id: '["b", 1]', new_record_id: '["c", 1]', changed_fields: ["owner_id"] },
    ]);
    const gone = await recorded("pets", "delete from app.owners where id = 'a'");
    expect(gone.map((row) => row.record_id).sort()).toEqual(['["a", 1]', '["a", 2]']);
  });

  test("a cascade of a table to itself", async () => {
    await sql("insert into app.tree values (1, null), (2, 1), (3, 2), (4, 2)");
    const gone = await recorded("tree", "delete from app.tree where id = 1");
    expect(gone.map((row) => row.record_id).sort()).toEqual(["1", "2", "3", "4"]);
  });

  test("ON CONFLICT, MERGE, COPY and a data-modifying WITH, each row once", async () => {
    await sql("insert into app.owners values ('m1', 'old') on conflict do nothing");
    expect(
      (
        await recorded(
          "owners",
          "insert into app.owners values ('m1', 'new'), ('m2', 'new') on conflict (id) do update set name = excluded.name",
        )
      )
        .map((row) => [row.action, row.record_id])
        .sort(),
    ).toEqual([
      ["INSERT", "m2"],
      ["UPDATE", "m1"],
    ]);
    const merged = await recorded(
      "owners",
      `merge into app.owners o using (values ('m1', 'M'), ('m3', 'N')) v (id, name) on o.id = v.id
       when matched then update set name = v.name when not matched then insert values (v.id, v.name)`,
    );
    expect(merged.map((row) => [row.action, row.record_id]).sort()).toEqual([
      ["INSERT", "m3"],
      ["UPDATE", "m1"],
    ]);
    const moved = await recorded(
      "owners",
      "with gone as (delete from app.owners where id = 'm3' returning *) insert into app.owners select 'm4', name from gone",
    );
    expect(moved.map((row) => [row.action, row.record_id]).sort()).toEqual([
      ["DELETE", "m3"],
      ["INSERT", "m4"],
    ]);
  });

  test("names that need quotes, and a column that has the name of an alias", async () => {
    const id = "00000000-0000-7000-8000-000000000001";
    await sql(`insert into app."Odd Name" values ('${id}', 'x', 1)`);
    expect(await recorded("Odd Name", `update app."Odd Name" set "select" = 'y', t = 2`)).toMatchObject([
      { record_id: id, changed_fields: ["select", "t"], new_values: { select: "y", t: 2 } },
    ]);
  });

  test("TRUNCATE … CASCADE, in the tables that it reaches", async () => {
    await sql("insert into app.owners values ('t', 'T'); insert into app.pets values ('t', 1, 'p')");
    const rows = await recorded("pets", "truncate app.owners cascade");
    expect(rows).toContainEqual(expect.objectContaining({ action: "TRUNCATE", record_id: '["t", 1]' }));
  });

  test("the application's own BEFORE triggers, as they leave the row", async () => {
    await sql(`
      create function app.shout() returns trigger language plpgsql as $$ begin
        if new.name = 'skip' then return null; end if; new.name := upper(new.name); return new; end $$;
      create trigger shout before insert or update on app.owners for each row execute function app.shout();
    `);
    await sql("insert into app.owners values ('s1', 'a'), ('s2', 'b'), ('s3', 'c')");
    const rows = await recorded(
      "owners",
      "update app.owners set name = case id when 's2' then 'skip' else name || '!' end where id like 's_'",
    );
    expect(rows.map((row) => [row.record_id, row.old_values?.name, row.new_values?.name])).toEqual([
      ["s1", "A", "A!"],
      ["s3", "C", "C!"],
    ]);
    await sql("drop trigger shout on app.owners");
  });
});

describe("who writes", () => {
  beforeAll(async () => {
    await sql("create table app.notes (id int primary key, body text)");
    await sql("select audit.track('app.notes')");
    await db.rows("superuser", "drop role if exists history_writer");
    await db.rows("superuser", "create role history_writer");
    await db.rows("superuser", "grant history_writer to afterimage_admin");
    await sql(
      "grant usage on schema app to history_writer; grant select, insert, update, delete on app.notes to history_writer",
    );
  });

  test("is the user and request that the same transaction set, and nobody after it", async () => {
    await sql(`
      begin;
      select set_config('app.user_id', 'alice', true), set_config('app.request_id', 'req-1', true);
      insert into app.notes values (1, 'x');
      commit;
    `);
    await sql("insert into app.notes values (2, 'y')");
    expect(await history("notes")).toMatchObject([
      { record_id: "1", user_id: "alice", request_id: "req-1" },
      { record_id: "2", user_id: null, request_id: null },
    ]);
  });

  test("may be a role without any right on audit, which still cannot write the history itself", async () => {
    const rows = await recorded(
      "notes",
      "begin; set local role history_writer; update app.notes set body = 'z' where id = 1; commit",
    );
    expect(rows).toMatchObject([{ action: "UPDATE", record_id: "1" }]);
    await expect(
      sql(
        "begin; set local role history_writer; insert into audit.audit_logs (table_schema, table_name, record_id, action) values ('a', 'b', 'c', 'DELETE')",
      ),
    ).rejects.toMatchObject({ code: "42501" });
    await sql("rollback");
  });

  test("cannot lead the capture astray by a search_path of its own", async () => {
    await sql(`
      create schema evil;
      create function evil.to_jsonb(anyelement) returns jsonb language sql as $$ select '{"evil": true}'::jsonb $$;
      create function evil.ne(record, record) returns boolean language plpgsql as $$ begin return false; end $$;
      create operator evil.*<> (leftarg = record, rightarg = record, function = evil.ne);
    `);
    const rows = await recorded(
      "notes",
      "begin; set local search_path = evil, pg_catalog; update app.notes set body = 'astray' where id = 1; commit",
    );
    expect(rows).toMatchObject([{ old_values: { body: "z" }, new_values: { body: "astray" } }]);
  });

  test("leaves nothing behind when the transaction is rolled back", async () => {
    expect(await recorded("notes", "begin; update app.notes set body = 'no'; rollback")).toEqual([]);
  });
});

describe("a tracked table that changes its columns", () => {
  beforeAll(async () => {
    await sql("create table app.shifting (id int primary key, a text, b int, secret text)");
    await sql("select audit.track('app.shifting', exclude => '{secret}')");
    await sql("insert into app.shifting values (1, 'x', 1, 's')");
  });

  test.each([
    ["an added column", "add column c text default 'c'", "update app.shifting set c = 'd'", { c: "d" }],
    ["a renamed column", "rename column a to a2", "update app.shifting set a2 = 'y'", { a2: "y" }],
    [
      "a renamed excluded column",
      "rename column secret to hidden",
      "update app.shifting set hidden = 't', b = 2",
      { b: 2 },
    ],
    ["a dropped column", "drop column c", "update app.shifting set b = 3", { b: 3 }],
    [
      "a changed type",
      "alter column b type json using to_json(b)",
      'update app.shifting set b = \'{"z":1,"a":2}\'',
      { b: { z: 1, a: 2 } },
    ],
    ["a renamed key", "rename column id to number", "update app.shifting set a2 = 'q'", { a2: "q" }],
  ])("goes on after %s, and the next row of history has it", async (_, ddl, write, newValues) => {
    await sql(`alter table app.shifting ${ddl}`);
    const [row, ...more] = await recorded("shifting", write);
    expect(row).toMatchObject({ record_id: "1", new_values: newValues });
    expect(more).toEqual([]);
    expect(JSON.stringify(row)).not.toContain("hidden");
  });

  test("is quick again once it is tracked anew", async () => {
    await sql("select audit.track('app.shifting', exclude => '{hidden}')");
    expect(await recorded("shifting", "update app.shifting set b = '{\"b\":1}'")).toMatchObject([
      { exact_values: { old: { b: '{"z":1,"a":2}' }, new: { b: '{"b":1}' } } },
    ]);
  });
});

describe("a partitioned table", () => {
  beforeAll(async () => {
    await sql(`
      create table app.parts (id int, region text, v text, primary key (id, region)) partition by list (region);
      create table app.parts_eu partition of app.parts for values in ('eu');
      create table app.parts_us (region text, v text, id int, primary key (id, region));
      alter table app.parts_us alter id set not null;
      alter table app.parts attach partition app.parts_us for values in ('us');
    `);
    const [tracked] = await sql("select audit.track('app.parts') as n");
    expect(tracked).toEqual({ n: 3 });
  });

  test("is captured once through the parent, into a partition, and between partitions", async () => {
    const rows = [
      ...(await recorded("parts", "insert into app.parts values (1, 'eu', 'a'), (2, 'us', 'b')")),
      ...(await recorded("parts", "insert into app.parts_us (id, region, v) values (3, 'us', 'c')")),
      ...(await recorded("parts", "update app.parts_eu set v = 'direct'")),
      ...(await recorded("parts", "update app.parts set region = 'us' where id = 1")),
      ...(await recorded("parts", "delete from app.parts_us where id = 3")),
    ];
    expect(rows.map((row) => [row.action, row.record_id, row.new_record_id])).toEqual([
      ["INSERT", '[1, "eu"]', null],
      ["INSERT", '[2, "us"]', null],
      ["INSERT", '[3, "us"]', null],
      ["UPDATE", '[1, "eu"]', null],
      ["UPDATE", '[1, "eu"]', '[1, "us"]'],
      ["DELETE", '[3, "us"]', null],
    ]);
  });

  test("is captured in a partition added since, through the parent, and directly once it is tracked again", async () => {
    await sql("create table app.parts_as partition of app.parts for values in ('as')");
    expect(await recorded("parts", "insert into app.parts values (9, 'as', 'n')")).toHaveLength(1);
    await sql("select audit.track('app.parts')");
    expect(await recorded("parts", "update app.parts_as set v = 'o'")).toHaveLength(1);
  });

  test("records a TRUNCATE of the whole and of a partition row by row", async () => {
    const before = await sql("select from app.parts");
    const one = await recorded("parts", "truncate app.parts_as");
    const rest = await recorded("parts", "truncate app.parts");
    expect([...one, ...rest].map((row) => row.action)).toEqual(before.map(() => "TRUNCATE"));
  });

  test("cannot be tracked by a partition alone", async () => {
    await expect(sql("select audit.track('app.parts_eu')")).rejects.toMatchObject({
      message: "app.parts_eu is a partition",
      hint: expect.stringContaining("app.parts"),
    });
  });
});

describe("row-level security on the table", () => {
  test("hides nothing from the history, a TRUNCATE's rows neither", async () => {
    await sql("create table app.secured (id int primary key, v text)");
    await sql(
      "alter table app.secured enable row level security; alter table app.secured force row level security",
    );
    await sql("create policy own on app.secured using (id < 100) with check (true)");
    await sql("select audit.track('app.secured')");
    await sql("insert into app.secured values (1, 'a'), (200, 'b')");
    expect((await history("secured")).map((row) => row.record_id)).toEqual(["1", "200"]);
    expect((await recorded("secured", "truncate app.secured")).map((row) => row.record_id)).toEqual([
      "1",
      "200",
    ]);
  });
});

describe("track()", () => {
  test.each([
    ["a table without a key", "create table app.keyless (a int)", "app.keyless", "", /has no key/],
    ["a key of an array", "create table app.oddly (a int[] primary key)", "app.oddly", "", /has no key/],
    [
      "a key with a composite type",
      "create type app.pair as (a int, b int); create table app.paired (a app.pair, b int, primary key (a, b))",
      "app.paired",
      "",
      /has no key/,
    ],
    [
      "a key of jsonb",
      "create table app.keyed_by_json (a jsonb primary key)",
      "app.keyed_by_json",
      "",
      /has no key/,
    ],
    ["a view", "create view app.look as select 1 as id", "app.look", "", /cannot be tracked/],
    ["a table of the log", "", "audit.audit_events", "", /cannot be tracked/],
    [
      "a column that is not there",
      "create table app.one (id int primary key)",
      "app.one",
      ", exclude => '{nope}'",
      /Column nope does not exist/,
    ],
    ["the key left out", "", "app.one", ", redact => '{id}'", /belongs to the key/],
    ["another on_error", "", "app.one", ", on_error => 'ignore'", /must be block or warn/],
    ["a table that inherits", "create table app.heir () inherits (app.one)", "app.heir", "", /inherits/],
  ])("refuses %s, says why, and leaves nothing", async (_, ddl, table, options, message) => {
    if (ddl) await sql(ddl);
    await expect(sql(`select audit.track('${table}'${options})`)).rejects.toMatchObject({
      message: expect.stringMatching(message),
    });
    expect(await sql("select from tracked_tables where relation = $1::regclass", [table])).toEqual([]);
  });

  test("of a table that belongs to another role is refused by name", async () => {
    await db.rows("superuser", "create table app.foreign_owned (id int primary key)");
    await expect(sql("select audit.track('app.foreign_owned')")).rejects.toMatchObject({
      code: "42501",
      message: expect.stringMatching(/belongs to/),
    });
  });

  test("called twice changes nothing, and untrack() ends it and keeps the history", async () => {
    await sql("create table app.twice (id int primary key)");
    await sql("select audit.track('app.twice')");
    await sql("select audit.track('app.twice')");
    expect(await recorded("twice", "insert into app.twice values (1)")).toHaveLength(1);
    await sql("select audit.untrack('app.twice')");
    expect(await recorded("twice", "insert into app.twice values (2)")).toEqual([]);
    expect(await history("twice")).toHaveLength(1);
    expect(await sql("select from pg_trigger where tgrelid = 'app.twice'::regclass")).toEqual([]);
    const [rights] = await sql("select has_table_privilege('audit_worker', 'app.twice', 'delete') as may");
    expect(rights).toEqual({ may: false });
  });

  test("with on_error => 'warn' lets a write through that the history cannot take", async () => {
    await sql("create table app.soft (id int primary key); create table app.hard (id int primary key)");
    await sql("select audit.track('app.soft', on_error => 'warn'), audit.track('app.hard')");
    await db.rows("superuser", "alter table audit.audit_logs rename to audit_logs_away");
    try {
      await sql("insert into app.soft values (1)");
      await expect(sql("insert into app.hard values (1)")).rejects.toMatchObject({ code: "42P01" });
    } finally {
      await db.rows("superuser", "alter table audit.audit_logs_away rename to audit_logs");
    }
    expect(await sql("select from app.soft")).toHaveLength(1);
    expect(await sql("select from app.hard")).toHaveLength(0);
    expect(await sql("select table_name, reason, detail from capture_gaps where reason = 'error'")).toEqual([
      { table_name: "soft", reason: "error", detail: "42P01" },
    ]);
  });
});

test("a name with quotes and percent signs is recorded, in either mode", async () => {
  for (const mode of ["block", "warn"]) {
    const name = `o'dd "%s" % ${mode}`;
    const quoted = `app."${name.replaceAll('"', '""')}"`;
    await sql(`create table ${quoted} (id int primary key)`);
    await sql("select audit.track($1::regclass, on_error => $2)", [quoted, mode]);
    expect(await recorded(name, `insert into ${quoted} values (1)`)).toHaveLength(1);
  }
});

test("a table's capture function records no other table", async () => {
  await sql("create table app.real (id int primary key); select audit.track('app.real')");
  const [found] = await sql("select 'app.real'::regclass::oid::text as oid");
  await sql("create table app.fake (id int primary key)");
  await sql(
    `create trigger forge after insert on app.fake referencing new table as __new for each statement execute function audit.capture_${found?.oid}()`,
  );
  await expect(sql("insert into app.fake values (666)")).rejects.toMatchObject({ code: "42501" });
  expect(await history("real")).toEqual([]);
});

describe("the kill switch", () => {
  test("lets writes through unrecorded, notes the gap, and is undone", async () => {
    await sql("create table app.switched (id int primary key)");
    await sql("select audit.track('app.switched')");
    await sql("select audit.switch_capture(false)");
    expect(await recorded("switched", "insert into app.switched values (1)")).toEqual([]);
    const open =
      "select from capture_gaps where table_name = 'switched' and reason = 'off' and ended_at is null";
    expect(await sql(open)).toHaveLength(1);
    await sql("select audit.switch_capture(true)");
    expect(await sql(open)).toHaveLength(0);
    expect(await recorded("switched", "insert into app.switched values (2)")).toHaveLength(1);
  });
});

test("the queries of the operations page run as they are written", async () => {
  const client = await db.pool("app").connect();
  try {
    await sql("create table app.customers (id int primary key, name text)");
    await sql("select audit.track('app.customers')");
    await sql("insert into app.customers values (1, 'Ann'); delete from app.customers");
    const { rows: recent } = await client.query(`
      SELECT actor, event, entity, created_at, meta
      FROM audit_log
      WHERE created_at > NOW() - INTERVAL '1 hour'
      ORDER BY created_at DESC;`);
    expect(recent.map((row) => row.event)).toEqual(
      expect.arrayContaining(["customers_inserted", "customers_deleted"]),
    );
    const { rows: affected } = await client.query(`
      SELECT entity_id, event, meta->>'old' as old_data, meta->>'new' as new_data
      FROM audit_log
      WHERE event LIKE '%_deleted'
      AND created_at > NOW() - INTERVAL '1 hour';`);
    expect(affected).toContainEqual({
      entity_id: "1",
      event: "customers_deleted",
      old_data: '{"id": 1, "name": "Ann"}',
      new_data: null,
    });
    const { rows: runbook } = await client.query(`
      SELECT created_at, action, old_values, new_values
      FROM audit_logs
      WHERE table_name = 'customers' AND record_id = '1'
      ORDER BY created_at DESC;`);
    expect(runbook.map((row) => row.action)).toEqual(["DELETE", "INSERT"]);
  } finally {
    client.release();
  }
});

test("nobody changes what was recorded, the owner neither", async () => {
  await sql(
    "create table app.kept (id int primary key); select audit.track('app.kept'); insert into app.kept values (1)",
  );
  for (const text of [
    "update audit_logs set record_id = '2'",
    "delete from audit_logs",
    "truncate audit_logs",
  ]) {
    await expect(db.asOwner(text)).rejects.toMatchObject({
      message: "Entries of the row history are immutable",
    });
    await expect(db.rows("app", text)).rejects.toMatchObject({ code: "42501" });
    await expect(db.rows("worker", text)).rejects.toMatchObject({ code: "42501" });
  }
  const [partition] = await sql("select tableoid::regclass::text as name from audit_logs limit 1");
  await expect(db.asOwner(`truncate ${partition?.name}`)).rejects.toMatchObject({ message: /immutable/ });
});
