import { beforeEach, expect, test } from "vitest";
import { usePlans } from "./stage.ts";
import { rollback } from "./support.ts";

const stage = usePlans();
const { sql } = stage;
const EVER = { from: "2000-01-01T00:00:00Z", to: "2100-01-01T00:00:00Z" };

beforeEach(async () => {
  await sql("drop schema if exists app cascade; create schema app");
});

const keyed = (rows: string) =>
  sql(
    `create table app.t (id int primary key, v text); select audit.track('app.t'); insert into app.t values ${rows}`,
  );

test.each([
  ["a", "b"],
  ["b", "a"],
])("a key that cascaded goes back before what follows it: parent %s, child %s", async (parent, child) => {
  await sql(`
    create table app.${parent} (id int primary key);
    create table app.${child} (id int primary key, p int references app.${parent} on update cascade);
    select audit.track('app.a'), audit.track('app.b');
    insert into app.${parent} values (1); insert into app.${child} values (7, 1)`);
  const before = await stage.table(`app.${child}`);
  const id = await stage.as("eve", `update app.${parent} set id = 5`);
  await stage.restored({ transactionId: id });
  expect(await stage.table(`app.${child}`)).toEqual(before);
});

test("a key that cascaded over several tables goes back from the top", async () => {
  await sql(`
    create table app.c (id int primary key);
    create table app.b (id int primary key references app.c on update cascade);
    create table app.a (id int primary key references app.b on update cascade);
    select audit.track('app.a'), audit.track('app.b'), audit.track('app.c');
    insert into app.c values (1); insert into app.b values (1); insert into app.a values (1)`);
  const id = await stage.as("eve", "update app.c set id = 5");
  await stage.restored({ transactionId: id });
  for (const table of ["app.a", "app.b", "app.c"]) expect(await stage.table(table)).toEqual(["(1)"]);
});

test("a record is itself, and not the one that took over its key", async () => {
  await keyed("(1, 'x'), (5, 'y')");
  const at = await stage.moment();
  await sql("update app.t set id = 2 where id = 1");
  await sql("update app.t set id = 1 where id = 5");
  await sql("update app.t set v = 'y2' where id = 1");
  const target = { table: "app.t", recordId: "1", to: { time: at } };
  expect(await stage.problems(target)).toEqual(["conflict unique_clash"]);
  const run = await stage.restore(target, { onConflict: "skip" });
  expect(run).toMatchObject({ status: "completed", appliedCount: 0 });
  expect(await stage.table("app.t")).toEqual(["(1,y2)", "(2,x)"]);

  await sql("delete from app.t where id = 1");
  await stage.restored(target);
  expect(await stage.table("app.t")).toEqual(["(1,x)"]);
});

test.each([
  ["a key", "id text primary key, v text", "('007', 'a'), ('8', 'b')", "'007'", "int", "7"],
  [
    "a composite key",
    "id int, k int default 1, v text, primary key (id, k)",
    "(7, 1, 'a'), (8, 1, 'b')",
    "7",
    "text",
    "'7'",
  ],
])("%s with another text under another type is one key", async (_, columns, rows, old, type, now) => {
  await sql(`create table app.t (${columns}); select audit.track('app.t'); insert into app.t values ${rows}`);
  const at = await stage.moment();
  await sql(`update app.t set v = 'b' where id = ${old}`);
  await sql(`alter table app.t alter id type ${type} using id::${type}`);
  await sql(`delete from app.t where id = ${now}`);
  expect(await stage.problems({ tables: ["app.t"], at })).toContain("conflict unique_clash");
});

test("two rows that one actor changed under the same key are told apart, or nothing is done", async () => {
  await keyed("(1, 'x')");
  await stage.as("eve", "update app.t set id = 2 where id = 1");
  await stage.as("bob", "insert into app.t values (1, 'bob')");
  await stage.as("eve", "update app.t set v = 'eve' where id = 1");
  expect(await stage.problems({ actor: "eve", ...EVER })).toEqual(["conflict unique_clash"]);
  await stage.as("eve", "delete from app.t where id = 1");
  expect(await stage.problems({ actor: "eve", ...EVER })).toContain("blocking key_twice");
});

test("a row that moves aside for another and back again is as it was, and nothing of the other is looked for", async () => {
  await keyed("(6, 'x')");
  const at = await stage.moment();
  await sql("update app.t set id = 5 where id = 6");
  await sql("insert into app.t values (6, 'y')");
  await sql("delete from app.t where id = 6");
  await sql("update app.t set id = 6 where id = 5");
  const { body } = await stage.preview({ tables: ["app.t"], at }, { strictDelete: true });
  expect(body).toMatchObject({ itemCount: 0 });
});

test("a row of which only other columns are set back keeps its key, and is verified under it", async () => {
  await keyed("(1, 'x')");
  const at = await stage.moment();
  await sql("update app.t set id = 2, v = 'y'");
  await stage.restored({ tables: ["app.t"], at }, { columns: ["v"] });
  expect(await stage.table("app.t")).toEqual(["(2,x)"]);
});

test("a key that another row takes over when its own goes is no row that stayed", async () => {
  await keyed("(4, 'x')");
  const at = await stage.moment();
  await sql("delete from app.t where id = 4");
  await sql("insert into app.t values (7, 'z')");
  const made = await stage.as("eve", "update app.t set id = 4 where id = 7");
  expect(await stage.problems({ transactionId: made })).toEqual([]);
  const run = await stage.restore({ tables: ["app.t"], at }, { strictDelete: true });
  expect(run).toMatchObject({ status: "completed" });
  expect(await stage.table("app.t")).toEqual(["(4,x)"]);
  await rollback(stage, run.id as string);
  expect(await stage.table("app.t")).toEqual(["(4,z)"]);
});
