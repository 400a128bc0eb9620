import { beforeEach, expect, test } from "vitest";
import { usePlans } from "./stage.ts";

const stage = usePlans();
const { sql } = stage;

beforeEach(async () => {
  await sql("drop schema if exists app cascade; create schema app");
});

test("a unique value goes from a row that goes, with its children, over a second row to a third", async () => {
  await sql(`
    create table app.p (id int primary key, mail text unique);
    create table app.c (id int primary key, p int references app.p on delete cascade);
    select audit.track('app.p'), audit.track('app.c');
    insert into app.p values (1, 'a'), (2, 'b')`);
  const before = await stage.table("app.p");
  const at = await stage.moment();
  await sql("update app.p set mail = 'c' where id = 2");
  await sql("update app.p set mail = 'b' where id = 1");
  await sql("insert into app.p values (9, 'a')");
  await sql("insert into app.c values (9, 9)");
  await stage.restored({ tables: ["app.p", "app.c"], at }, { strictDelete: true });
  expect(await stage.table("app.p")).toEqual(before);
});

test.each(["set null", "cascade"])(
  "a row moves away from one that goes early before that goes: on delete %s",
  async (onDelete) => {
    await sql(`
      create table app.p (id int primary key);
      create table app.s (id int primary key, p int references app.p on delete ${onDelete}, u int unique);
      alter table app.p add fav int references app.s on delete set null;
      select audit.track('app.p'), audit.track('app.s');
      insert into app.s values (1, null, 8), (5, null, null)`);
    const before = await stage.table("app.s");
    const at = await stage.moment();
    await sql("update app.s set u = 5 where id = 1");
    await sql("insert into app.p values (6)");
    await sql("insert into app.s values (4, null, 8)");
    await sql("update app.s set p = 6 where id = 5");
    await stage.restored({ tables: ["app.p", "app.s"], at }, { strictDelete: true });
    expect(await stage.table("app.s")).toEqual(before);
  },
);
