import { beforeAll, describe, expect, test } from "vitest";
import { setUpTypes, typeCases } from "../../support/type-cases.ts";
import { usePlans } from "./stage.ts";

const stage = usePlans();
const { sql } = stage;

const HOSTILE =
  "set datestyle = 'SQL, DMY'; set intervalstyle = 'sql_standard'; set extra_float_digits = -10; set timezone = 'Pacific/Auckland'; set bytea_output = 'escape'; set xmloption = 'content'";
const SETTINGS = { "default settings": "select 1", "hostile settings": HOSTILE };

beforeAll(() => sql(setUpTypes));

/** Statements in a session that is set up as `settings` says. */
async function under(settings: string, statements: string[]): Promise<void> {
  const client = await stage.db.pool("admin").connect();
  try {
    await client.query(settings);
    for (const statement of statements) await client.query(statement);
  } finally {
    client.release(true);
  }
}

describe.each(Object.entries(SETTINGS))("rows written under %s", (_, settings) => {
  test.each([
    "delete from app.types",
    `update app.types set ${typeCases.map((__, n) => `c${n} = null`).join(", ")}`,
  ])("of every type come back bit for bit after %.6s", async (change) => {
    const most = Math.max(...typeCases.map(([, values]) => values.length));
    const rows = Array.from({ length: most + 1 }, (__, i) =>
      typeCases.map(([type, values]) => `${values[i] ?? "null"}::${type}`).join(", "),
    );
    await sql("drop table if exists app.types, app.types_were");
    await under(settings, [
      `create table app.types (id int primary key, ${typeCases.map(([type], n) => `c${n} ${type}`).join(", ")})`,
      ...rows.map((row, i) => `insert into app.types values (${i}, ${row})`),
      "create table app.types_were as table app.types",
    ]);
    await sql("select audit.track('app.types')");
    const at = await stage.moment();
    await under(settings, [change]);
    await stage.restored({ tables: ["app.types"], at });
    const different = typeCases.map(
      ([type], n) =>
        `select '${type}' as type, w.c${n}::text as was, t.c${n}::text as is from app.types_were w left join app.types t using (id)
           where t.id is null or row(w.c${n})::record *<> row(t.c${n})::record`,
    );
    expect(await sql(different.join(" union all "))).toEqual([]);
  });
});

const keys: [string, string[]][] = [
  ["uuid", ["'00000000-0000-7000-8000-000000000001'"]],
  ["bigint", ["-5", "9223372036854775807"]],
  ["text", ["''' or true --'", "'é 😀 \"q\"'", "'[1]'"]],
  ["timestamptz", ["'2026-11-21 12:34:56.789012+13'", "'infinity'"]],
  ["bytea", ["'\\x00ff10'"]],
  ["app.mood", ["'happy'", "'so-so \"q\"'"]],
  ["numeric", ["1.10", "'NaN'", "12345678901234567890.5"]],
  ["char(5)", ["'ab'"]],
  ["float8", ["0.1", "'-Infinity'"]],
  ["date", ["'0044-03-15 BC'"]],
  ["interval", ["'1 mon -2 days 03:04:05.000006'"]],
  ["inet", ["'192.168.0.1/24'"]],
  ["app.small", ["7"]],
];

test.each(["alone", "with another column"])(
  "a key of any type, %s, finds its rows, whoever wrote them",
  async (form) => {
    const named = keys.map(([type, values], n) => ({ name: `app.k${n}`, type, values }));
    for (const { name, type, values } of named) {
      await sql(`drop table if exists ${name}; create table ${name} (k ${type}, n int, v text, primary key (k${form === "alone" ? "" : ", n"}));
      select audit.track('${name}')`);
      await under(
        HOSTILE,
        values.map((value, i) => `insert into ${name} values (${value}, ${i}, 'before')`),
      );
    }
    const state = () => Promise.all(named.map(({ name }) => stage.table(name)));
    const before = await state();
    const at = await stage.moment();
    await under(
      HOSTILE,
      named.map(({ name }) => `update ${name} set v = 'changed'`),
    );
    await sql(
      named.map(({ name }) => `update ${name} set v = 'again'; delete from ${name} where n = 0`).join(";"),
    );
    await stage.restored({ tables: named.map(({ name }) => name), at });
    expect(await state()).toEqual(before);
    await under(
      HOSTILE,
      named.map(({ name }) => `delete from ${name} where n = 0`),
    );
    for (const { name } of named) {
      const [entry] = await sql(
        `select record_id from audit_logs where table_schema || '.' || table_name = '${name}' order by id desc limit 1`,
      );
      const { body } = await stage.preview({ table: name, recordId: entry?.record_id });
      expect(body).toMatchObject({ itemCount: 1, problems: [], tables: [{ name, insert: 1 }] });
    }
  },
);

test("a time or bytes written by sessions with other settings are the same values", async () => {
  await sql(`create table app.zoned (id int primary key, at timestamptz, b bytea, n int); select audit.track('app.zoned');
    insert into app.zoned select n, '2026-01-02 03:04:05+00', '\\x00ff', 0 from generate_series(1, 2) n`);
  const before = await stage.table("app.zoned");
  const from = await stage.moment();
  const change = (set: string) =>
    `begin; select set_config('app.user_id', 'eve', true); update app.zoned set ${set}; commit`;
  await under(HOSTILE, [change("at = at + interval '1 day', b = '\\x01fe'")]);
  await under("set timezone = 'Asia/Kolkata'", [change("at = at + interval '1 day', n = 1")]);
  const target = { actor: "eve", from, to: "2100-01-01T00:00:00Z" };
  expect(await stage.problems(target)).toEqual([]);
  await stage.restored(target);
  expect(await stage.table("app.zoned")).toEqual(before);
});

describe("names", () => {
  test("that need quotes, other schemas and columns called like parts of a statement are as good as any", async () => {
    await sql(`
      drop schema if exists "Mixed ""Case"" Schema" cascade; create schema "Mixed ""Case"" Schema";
      create table "Mixed ""Case"" Schema"."Ta.b'le" ("Id" int, "select" text, "d" int, "target" jsonb, "r" text, "column's" text, "{x}" int unique,
        primary key ("Id", "select"), unique ("column's"));
      create table "Mixed ""Case"" Schema"."K%s" ("i" int primary key, "Id" int, "Pa$sql$nt" text,
        foreign key ("Id", "Pa$sql$nt") references "Mixed ""Case"" Schema"."Ta.b'le" on delete cascade);
      select audit.track('"Mixed ""Case"" Schema"."Ta.b''le"'), audit.track('"Mixed ""Case"" Schema"."K%s"');
      insert into "Mixed ""Case"" Schema"."Ta.b'le" values (1, 'a"b', 2, '{"k": [1]}', 'r', 'c''d', 3), (2, 'c', null, null, null, null, null);
      insert into "Mixed ""Case"" Schema"."K%s" values (1, 1, 'a"b');`);
    const one = `"Mixed ""Case"" Schema"."Ta.b'le"`;
    const two = `"Mixed ""Case"" Schema"."K%s"`;
    const before = [await stage.table(one), await stage.table(two)];
    const at = await stage.moment();
    await sql(`update ${one} set "column's" = 'x', "d" = 5 where "Id" = 2`);
    await sql(`delete from ${one} where "Id" = 1`);
    const run = await stage.restored({
      tables: [`Mixed "Case" Schema.Ta.b'le`],
      at,
      where: { "column's": [null, "c'd"] },
    });
    expect(run.tables).toMatchObject([
      { name: `Mixed "Case" Schema.K%s` },
      { name: `Mixed "Case" Schema.Ta.b'le` },
    ]);
    expect([await stage.table(one), await stage.table(two)]).toEqual(before);
  });

  test("of a table that was dropped lead to no other that has them by now", async () => {
    await sql(
      "create table app.again (id int primary key); select audit.track('app.again'); insert into app.again values (1)",
    );
    const id = await stage.as("eve", "delete from app.again");
    await sql(
      "drop table app.again; create table app.again (id int primary key); select audit.track('app.again')",
    );
    const { status } = await stage.preview({ transactionId: id });
    expect(status).toBe(404);
  });
});

describe("a partitioned table", () => {
  const parts = `
    create table app.p (id int, region text, v text, primary key (id, region)) partition by list (region);
    create table app.p_eu partition of app.p for values in ('eu'); create table app.p_us partition of app.p for values in ('us');
    select audit.track('app.p'); insert into app.p values (1, 'eu', 'a'), (2, 'eu', 'b'), (3, 'us', 'c')`;

  test("gets rows back that were deleted, moved between partitions or truncated in one", async () => {
    await sql(`drop table if exists app.p; ${parts}`);
    const before = await stage.table("app.p");
    const at = await stage.moment();
    await sql("update app.p set region = 'us', v = 'moved' where id = 1");
    await sql("delete from app.p where id = 3");
    await sql("truncate app.p_eu");
    await stage.restored({ tables: ["app.p"], at });
    expect(await stage.table("app.p")).toEqual(before);
    const move = await stage.as("eve", "update app.p set region = 'us' where id = 2");
    await stage.restored({ transactionId: move });
    expect(await stage.table("app.p")).toEqual(before);
    await sql("update app.p set id = 20, region = 'us' where id = 2");
    await stage.restored({ table: "app.p", recordId: '[20, "us"]' });
    expect(await stage.table("app.p")).toEqual(before);
  });
});
