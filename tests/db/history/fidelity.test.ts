import { beforeAll, describe, expect, test } from "vitest";
import { useDatabase } from "../../support/database.ts";
import { typeCases as cases } from "../../support/type-cases.ts";

const db = useDatabase();
const sql = (text: string, values?: unknown[]) => db.rows("admin", text, values);

beforeAll(async () => {
  await sql(`
    create schema app;
    create type app.mood as enum ('happy', 'so-so "q"');
    create domain app.small as int check (value < 10);
    create type app.shape as (a int, b text, c int[]);
    create type app.lossy as (f float8, j json);
    create domain app.lossy_domain as float8;
  `);
});

/** How a session may be set up; none of it may reach an image. */
const HOSTILE =
  "set datestyle = 'SQL, DMY'; set intervalstyle = 'sql_standard'; set extra_float_digits = -10; set timezone = 'Pacific/Auckland'; set bytea_output = 'escape'; set xmloption = 'content'";

describe.each(cases)("%s", (type, values) => {
  test.each(["default settings", HOSTILE])("comes back bit for bit under %s", async (settings) => {
    const name = `app.f_${cases.findIndex(([one]) => one === type)}_${settings === HOSTILE ? "h" : "d"}`;
    const table = name.replace("app.", "");
    await sql(`create table ${name} (id int primary key, v ${type})`);
    await sql(`select audit.track('${name}')`);
    const client = await db.pool("admin").connect();
    try {
      if (settings === HOSTILE) await client.query(settings);
      await client.query(
        `insert into ${name} values (0, null)${values.map((value, i) => `, (${i + 1}, ${value}::${type})`).join("")}`,
      );
    } finally {
      client.release(true);
    }
    const different = await sql(`
      select r.id, r.v::text as was, b.v::text as came_back
      from audit.audit_logs l
      join ${name} r on r.id::text = l.record_id
      cross join lateral (
        select case when l.exact_values -> 'new' ? 'v' then (l.exact_values -> 'new' ->> 'v')::${type}
               else (jsonb_populate_record(null::${name}, l.new_values)).v end as v
      ) b
      where l.table_name = '${table}' and l.action = 'INSERT' and row(r.v)::record *<> row(b.v)::record`);
    expect(different).toEqual([]);
    const [count] = await sql("select count(*)::int as n from audit_logs where table_name = $1", [table]);
    expect(count).toEqual({ n: values.length + 1 });
  });
});
