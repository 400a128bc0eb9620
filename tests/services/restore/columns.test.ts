import { beforeEach, describe, expect, test } from "vitest";
import { usePlans } from "./stage.ts";

const stage = usePlans();
const { sql } = stage;

beforeEach(async () => {
  await sql("drop schema if exists app cascade; create schema app");
});

const T = "app.t";
const rows = () => stage.table(T);
const make = (columns: string, values: string, options = "") =>
  sql(
    `create table app.t (${columns}); select audit.track('app.t'${options}); insert into app.t values ${values}`,
  );
const tables = (at: string) => ({ tables: [T], at });
const start = (target: unknown, options: unknown = {}) =>
  stage.call("POST", "/restores", { body: { target, options, reason: "r" } });

/** Refused as a target with `code`, and nothing changed. */
async function refused(target: unknown, code: string, options?: unknown) {
  const before = await rows();
  const { status, body } = await start(target, options);
  expect({ status, codes: body.errors?.map((error: { code: string }) => error.code) }).toEqual({
    status: 409,
    codes: [code],
  });
  expect(await rows()).toEqual(before);
  return body.detail as string;
}

describe("a column that was", () => {
  test("dropped is a loss: refused by target with what to do, restored by its plan", async () => {
    await make("id int primary key, a text, b text", "(1, 'x', 'y')");
    await sql("delete from app.t");
    await sql("alter table app.t drop column b");
    const target = { table: T, recordId: "1" };
    expect(await refused(target, "column_dropped")).toMatch(/preview.*planId and digest/);
    expect(await stage.problems(target)).toEqual(["loss column_dropped"]);
    await stage.restored(target);
    expect(await rows()).toEqual(["(1,x)"]);
  });

  test("renamed is lost under its old name, and not written under the new one", async () => {
    await make("id int primary key, a text, b text", "(1, 'x', 'y')");
    const at = await stage.moment();
    await sql("update app.t set a = 'z', b = 'z'");
    await sql("alter table app.t rename column b to c");
    const { body } = await stage.preview(tables(at));
    expect(body.problems).toMatchObject([{ code: "column_dropped", detail: { column: "b", rows: 1 } }]);
    await stage.restored(tables(at));
    expect(await rows()).toEqual(["(1,x,z)"]);
  });

  test("added gets its default, or null, and stays as it is in rows that are there", async () => {
    await make("id int primary key, a text", "(1, 'x'), (2, 'y')");
    const at = await stage.moment();
    await sql("delete from app.t where id = 1; update app.t set a = 'changed' where id = 2");
    await sql("alter table app.t add column b text default 'd' not null, add column c int");
    await sql("update app.t set b = 'own', c = 3 where id = 2");
    expect(await stage.problems(tables(at))).toEqual(["note column_added", "note column_added"]);
    await stage.restored(tables(at));
    expect(await rows()).toEqual(["(1,x,d,)", "(2,y,own,3)"]);
  });

  test("added without a default that may not be null is refused by name", async () => {
    await make("id int primary key", "(1)");
    await sql("delete from app.t");
    await sql("alter table app.t add column must text not null");
    expect(await refused({ table: T, recordId: "1" }, "column_required")).toMatch(/app\.t\.must/);
  });

  test("made NOT NULL refuses the nulls it had", async () => {
    await make("id int primary key, a text", "(1, null), (2, 'x')");
    const at = await stage.moment();
    await sql("update app.t set a = 'y'");
    await sql("alter table app.t alter column a set not null");
    await refused(tables(at), "null_refused");
  });

  test("given a check refuses the values that do not meet it", async () => {
    await make("id int primary key, a int, b int", "(1, -1, 0), (2, 1, 0)");
    const at = await stage.moment();
    await sql("update app.t set a = 5");
    await sql("alter table app.t add constraint positive check (a > b)");
    expect(await refused(tables(at), "check_refused")).toMatch(/positive/);
    await stage.restored({ ...tables(at), where: { id: 2 } });
    expect(await rows()).toEqual(["(1,5,0)", "(2,1,0)"]);
  });
});

describe("a column whose type changed", () => {
  const retyped = async (from: string, value: string, change: string) => {
    await make(`id int primary key, v ${from}`, `(1, ${value}), (2, ${value})`);
    const at = await stage.moment();
    await sql("delete from app.t where id = 1; update app.t set v = null where id = 2");
    await sql(`alter table app.t alter column v type ${change}`);
    return tables(at);
  };

  test.each([
    ["int", "5", "text", "5"],
    ["text", "'5'", "int using v::int", "5"],
    ["int", "5", "bigint", "5"],
    ["numeric(10,4)", "1.5000", "numeric(10,2)", "1.50"],
    ["json", `'{"b":1,  "a":2}'`, "text", `"{""b"":1,  ""a"":2}"`],
    ["varchar(9)", "'abc'", "varchar(3)", "abc"],
    ["jsonb", `'{"a": null}'`, "json", `"{""a"": null}"`],
  ])("from %s %s to %s takes what fits", async (from, value, change, becomes) => {
    const target = await retyped(from, value, change);
    expect(await stage.problems(target)).toEqual([]);
    await stage.restored(target);
    expect(await rows()).toEqual([`(1,${becomes})`, `(2,${becomes})`]);
  });

  test.each([
    ["text", "'abc'", "int using null"],
    ["int", "70000", "smallint using null"],
    ["text", "'abc'", "varchar(2) using null"],
    ["numeric", "1.5", "int using null"],
  ])("from %s %s to %s refuses what does not fit, by name", async (from, value, change) => {
    const target = await retyped(from, value, change);
    expect(await refused(target, "column_retyped")).toMatch(/app\.t\.v/);
  });

  test.each([
    ["numeric(10,4)", "1.2345", "numeric(10,2)", "1.23"],
    ["timestamptz", "'2026-01-02 03:04:05+00'", "date", "2026-01-02"],
  ])("from %s %s to %s says that values come out changed", async (from, value, change, becomes) => {
    const target = await retyped(from, value, change);
    expect(await stage.problems(target)).toEqual(["loss column_retyped"]);
    await refused(target, "column_retyped");
    await stage.restored(target);
    expect(await rows()).toEqual([`(1,${becomes})`, `(2,${becomes})`]);
  });

  test("is undone by transaction as well", async () => {
    await make("id int primary key, v int, w text", "(1, 5, 'w')");
    const id = await stage.as("eve", "update app.t set v = 6");
    await sql("alter table app.t alter column v type text");
    await stage.restored({ transactionId: id });
    expect(await rows()).toEqual(["(1,5,w)"]);
  });

  test("by an enum that lost a value, or a domain with a check, is refused where it does not fit", async () => {
    await sql("create type app.mood as enum ('good', 'bad'); create domain app.small as int");
    await make("id int primary key, m app.mood, s app.small", "(1, 'bad', 100), (2, 'good', 1)");
    const at = await stage.moment();
    await sql("update app.t set m = 'good', s = 2");
    await sql("alter type app.mood rename to old_mood; create type app.mood as enum ('good')");
    await sql(
      "alter table app.t alter column m type app.mood using m::text::app.mood; alter domain app.small add check (value < 10)",
    );
    const { body } = await start(tables(at));
    expect(body.errors).toMatchObject([{ code: "column_retyped" }, { code: "column_retyped" }]);
    await stage.restored({ ...tables(at), where: { id: 2 } });
  });

  test("by the key's type refuses what cannot be a key any more", async () => {
    await make("id text primary key, v text", "('a', 'x'), ('1', 'y')");
    const at = await stage.moment();
    await sql("update app.t set v = 'changed'; delete from app.t where id = 'a'");
    await sql("alter table app.t alter column id type int using id::int");
    await refused(tables(at), "key_changed");
  });
});

describe("columns that fill themselves", () => {
  test("generated ones are computed again", async () => {
    const [version] = await sql("select current_setting('server_version_num')::int as n");
    const virtual = (version?.n as number) >= 180_000 ? ", w int generated always as (v * 3) virtual" : "";
    await make(
      `id int primary key, v int, g int generated always as (v * 2) stored unique${virtual}`,
      "(1, 5)",
    );
    const before = await rows();
    const at = await stage.moment();
    await sql("update app.t set v = 6");
    await stage.restored(tables(at));
    expect(await rows()).toEqual(before);
    await sql("delete from app.t");
    await stage.restored(tables(at));
    expect(await rows()).toEqual(before);
  });

  test.each(["generated always as identity", "generated by default as identity", "serial"])(
    "numbers of %s come back, and are not given out again",
    async (kind) => {
      await sql(
        `create table app.t (id ${kind === "serial" ? "serial" : `int ${kind}`} primary key, v text); select audit.track('app.t')`,
      );
      await sql("insert into app.t (v) select 'v' from generate_series(1, 3)");
      const before = await rows();
      await sql("delete from app.t");
      const [entry] = await sql(
        "select txid::text as id from audit_logs where table_schema = 'app' and action = 'DELETE' order by audit_logs.id desc limit 1",
      );
      await sql(`alter sequence app.t_id_seq restart with 1`);
      await stage.restored({ transactionId: entry?.id });
      expect(await rows()).toEqual(before);
      await sql("insert into app.t (v) values ('next')");
      expect(await rows()).toEqual([...before, "(4,next)"]);
    },
  );
});

describe("columns that the history does not keep", () => {
  const options = ", exclude => '{e}', redact => '{r}'";

  test("get their defaults in rows that come back, and stay as they are in others", async () => {
    await make(
      "id int primary key, v text, e text default 'de', r text default 'dr'",
      "(1, 'x', 'e1', 'r1'), (2, 'x', 'e2', 'r2')",
      options,
    );
    const at = await stage.moment();
    await sql("delete from app.t where id = 1");
    await sql("update app.t set v = 'y', r = 'new', e = 'new' where id = 2");
    expect(await stage.problems(tables(at))).toEqual(["loss column_hidden", "loss column_hidden"]);
    await stage.restored(tables(at));
    expect(await rows()).toEqual(["(1,x,de,dr)", "(2,x,new,new)"]);
  });

  test("without default that may not be null make a row unrecoverable, by name", async () => {
    await make("id int primary key, v text, r text not null", "(1, 'x', 'secret')", ", redact => '{r}'");
    await sql("delete from app.t");
    expect(await refused({ table: T, recordId: "1" }, "column_hidden")).toMatch(/app\.t\.r/);
  });

  test("are never written as [redacted], even when they are shown by now", async () => {
    await make(
      "id int primary key, v text, r text",
      "(1, 'x', 'secret'), (2, 'x', 'secret')",
      ", redact => '{r}'",
    );
    const at = await stage.moment();
    await sql("update app.t set v = 'y', r = 'other' where id = 2; delete from app.t where id = 1");
    await sql("select audit.track('app.t')");
    await stage.restored(tables(at));
    expect(await rows()).toEqual(["(1,x,)", "(2,x,other)"]);
  });

  test("whose change is all that there is to undo are a loss", async () => {
    await make("id int primary key, r text", "(1, 'secret')", ", redact => '{r}'");
    const id = await stage.as("eve", "update app.t set r = 'other'");
    const { body } = await stage.preview({ transactionId: id });
    expect(body).toMatchObject({ itemCount: 0, problems: [{ code: "column_hidden", severity: "loss" }] });
  });
});

describe("the option columns", () => {
  test("restores these alone, of rows that are there", async () => {
    await make("id int primary key, a text, b text", "(1, 'x', 'x'), (2, 'x', 'x')");
    const at = await stage.moment();
    await sql("update app.t set a = 'y', b = 'y'");
    await sql("insert into app.t values (3, 'new', 'new')");
    await stage.restored(tables(at), { columns: ["a"], strictDelete: true });
    expect(await rows()).toEqual(["(1,x,y)", "(2,x,y)", "(3,new,new)"]);
    await sql("delete from app.t where id = 1");
    await refused(tables(at), "row_missing", { columns: ["b"] });
  });

  test("refuses a column that no table of the plan shows", async () => {
    await make("id int primary key, a text, e text", "(1, 'x', 'x')", ", exclude => '{e}'");
    await sql("update app.t set a = 'y'");
    for (const column of ["nope", "e", 'a" = 1; drop table app.t --']) {
      const { status, body } = await start({ table: T, recordId: "1" }, { columns: ["a", column] });
      expect({ status, code: body.errors?.[0].code }).toEqual({ status: 400, code: "unknown_column" });
    }
  });
});
