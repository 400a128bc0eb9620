import { beforeEach, describe, expect, test } from "vitest";
import { usePlans } from "./stage.ts";

const stage = usePlans();
const { sql } = stage;

beforeEach(() => sql("drop schema if exists app cascade; create schema app"));

interface Problem {
  code: string;
  severity: string;
  recordIds: string[];
  message: string;
}

/** The problems of a plan, and what starting its target answers. */
async function planned(target: unknown) {
  const { body } = await stage.preview(target);
  const { status } = await stage.call("POST", "/restores", { body: { target, reason: "test" } });
  const problems = body.problems as Problem[];
  return { problems, status, find: (code: string) => problems.find((one) => one.code === code) };
}

test("a key that is generated always and was changed cannot be set back in place", async () => {
  await sql(`create table app.t (id int generated always as identity primary key, v text); select audit.track('app.t');
    insert into app.t (v) values ('a')`);
  const at = await stage.moment();
  await sql("update app.t set id = default");
  const { status, find } = await planned({ tables: ["app.t"], at });
  expect(find("identity_changed")).toMatchObject({ severity: "blocking", recordIds: ["1"] });
  expect(status).toBe(409);
});

describe("a key that others reference by now", () => {
  const tables = (onUpdate: string) => `
    create table app.p (id int primary key, code text unique);
    create table app.c (id int primary key, code text references app.p (code) ${onUpdate});
    select audit.track('app.p'), audit.track('app.c');
    insert into app.p values (1, 'was')`;

  test("is not changed below them", async () => {
    await sql(tables(""));
    const at = await stage.moment();
    await sql("update app.p set code = 'is'; insert into app.c values (1, 'is')");
    const { status, find } = await planned({ tables: ["app.p"], at });
    expect(find("key_dependents")).toMatchObject({ severity: "blocking", recordIds: ["1"] });
    expect(status).toBe(409);
  });

  test("takes them along where their constraint says so, which is noted", async () => {
    await sql(tables("on update cascade"));
    const at = await stage.moment();
    await sql("update app.p set code = 'is'; insert into app.c values (1, 'is')");
    const run = await stage.restored({ tables: ["app.p"], at });
    expect(run.problems).toMatchObject([{ code: "key_dependents", severity: "note" }]);
    expect(await sql("select code from app.c")).toEqual([{ code: "was" }]);
  });
});

test("a table that the worker may no longer write to is named, with the command that gives the right back", async () => {
  await sql(
    "create table app.t (id int primary key, v text); select audit.track('app.t'); insert into app.t values (1, 'a')",
  );
  const at = await stage.moment();
  await sql("update app.t set v = 'b'; revoke update on app.t from audit_worker");
  const { status, find } = await planned({ tables: ["app.t"], at });
  expect(find("no_access")).toMatchObject({
    severity: "blocking",
    message: expect.stringContaining("npx afterimage track app.t"),
  });
  expect(status).toBe(409);
  await sql("select audit.track('app.t')");
  await stage.restored({ tables: ["app.t"], at });
});

test("a reference whose type has changed since is named, for nobody can tell whether its row is there", async () => {
  await sql(`create table app.p (id text primary key); create table app.c (id int primary key, p text references app.p);
    select audit.track('app.p'), audit.track('app.c'); insert into app.p values ('a'); insert into app.c values (1, 'a')`);
  const at = await stage.moment();
  await sql(`delete from app.c; delete from app.p; alter table app.c drop constraint c_p_fkey;
    alter table app.p alter id type int using id::int; alter table app.c alter p type int using p::int;
    alter table app.c add foreign key (p) references app.p`);
  const { status, find } = await planned({ tables: ["app.c"], at });
  expect(find("reference_changed")).toMatchObject({ severity: "blocking" });
  expect(status).toBe(409);
});
