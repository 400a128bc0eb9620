import { beforeEach, describe, expect, test } from "vitest";
import { usePlans } from "./stage.ts";

const stage = usePlans();
const { sql } = stage;
const T = "app.t";
const rows = () => stage.table(T);

beforeEach(async () => {
  await sql("drop schema if exists app cascade; create schema app");
});

const make = (unique: string, values: string) =>
  sql(
    `create table app.t (id int primary key, mail text, n int${unique}); select audit.track('app.t'); insert into app.t values ${values}`,
  );

describe("a unique value", () => {
  test("that a foreign row holds is a conflict with that row's key, and is left with skip", async () => {
    await make(", unique (mail)", "(1, 'a', 1), (2, 'b', 2)");
    const id = await stage.as("eve", "delete from app.t");
    await sql("insert into app.t values (9, 'a', 9)");
    const target = { transactionId: id };
    const { body } = await stage.preview(target);
    expect(body.problems).toMatchObject([
      { code: "unique_clash", severity: "conflict", recordIds: ["1"], detail: { holders: ["9"] } },
    ]);
    for (const onConflict of ["fail", "overwrite"]) {
      const refused = await stage.call("POST", "/restores", {
        body: { target, options: { onConflict }, reason: "r" },
      });
      expect(refused.status).toBe(409);
    }
    expect(await stage.restore(target, { onConflict: "skip" })).toMatchObject({
      appliedCount: 1,
      skippedCount: 1,
    });
    expect(await rows()).toEqual(["(2,b,2)", "(9,a,9)"]);
  });

  test("that a row of the plan keeps is a conflict, though that row changes otherwise", async () => {
    await make(", unique (mail)", "(1, 'a', 1), (2, 'b', 2)");
    await stage.as("eve", "delete from app.t where id = 1");
    await stage.as("bob", "update app.t set mail = 'a' where id = 2");
    await stage.as("eve", "update app.t set n = 0 where id = 2");
    const target = { actor: "eve", from: "2000-01-01T00:00:00Z", to: "2100-01-01T00:00:00Z" };
    expect(await stage.problems(target)).toEqual(["conflict unique_clash"]);
  });

  test("that a row of the plan gives back is handed over, along a chain", async () => {
    await make(", unique (mail)", "(1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4)");
    const before = await rows();
    const at = await stage.moment();
    await sql("delete from app.t where id = 4");
    await sql("update app.t set mail = 'd' where id = 3");
    await sql("update app.t set mail = 'c' where id = 1");
    await sql("update app.t set mail = 'a' where id = 2");
    await stage.restored({ tables: [T], at });
    expect(await rows()).toEqual(before);
  });

  test("that two rows of the plan are to have is a conflict", async () => {
    await make(", unique (mail)", "(1, 'a', 1)");
    await stage.as("eve", "delete from app.t");
    await sql("insert into app.t values (2, 'a', 2)");
    await stage.as("eve", "delete from app.t");
    const { body } = await stage.preview({
      actor: "eve",
      from: "2000-01-01T00:00:00Z",
      to: "2100-01-01T00:00:00Z",
    });
    expect(body.problems).toMatchObject([
      { code: "unique_clash", recordIds: ["2"], detail: { holders: ["1"] } },
    ]);
  });

  test("that goes round in a circle is refused, unless its constraint can be deferred", async () => {
    await make(", constraint one_mail unique (mail)", "(1, 'a', 1), (2, 'b', 2)");
    const before = await rows();
    const at = await stage.moment();
    await sql("update app.t set mail = 'x' where id = 1");
    await sql("update app.t set mail = 'a' where id = 2");
    await sql("update app.t set mail = 'b' where id = 1");
    const { status, body } = await stage.call("POST", "/restores", {
      body: { target: { tables: [T], at }, reason: "r" },
    });
    expect({ status, code: body.errors[0].code }).toEqual({ status: 409, code: "unique_circle" });
    expect(body.detail).toMatch(/one_mail/);
    await sql("alter table app.t drop constraint one_mail, add constraint one_mail unique (mail) deferrable");
    await stage.restored({ tables: [T], at });
    expect(await rows()).toEqual(before);
  });

  test("of null is no clash, unless nulls are not distinct", async () => {
    await make(", unique (mail)", "(1, null, 1)");
    const id = await stage.as("eve", "delete from app.t");
    await sql("insert into app.t values (2, null, 2)");
    expect(await stage.problems({ transactionId: id })).toEqual([]);
    await sql("alter table app.t add unique nulls not distinct (mail)");
    expect(await stage.problems({ transactionId: id })).toEqual(["conflict unique_clash"]);
  });

  test.each([
    ["a partial index", "create unique index one on app.t (mail) where n > 0"],
    ["an expression", "create unique index one on app.t (lower(mail))"],
    ["an exclusion", "alter table app.t add constraint one exclude (mail with =)"],
  ])("under %s that another row holds fails at the write by name, and changes nothing", async (_, index) => {
    await make("", "(1, 'a', 1), (2, 'b', 2)");
    await sql(index);
    const id = await stage.as("eve", "delete from app.t");
    await sql("insert into app.t values (9, 'a', 9)");
    const before = await rows();
    const run = await stage.restore({ transactionId: id });
    expect(run).toMatchObject({ status: "failed", appliedCount: 0 });
    expect(JSON.stringify(run)).toMatch(/"one"|\(one\)|\bone\b/);
    expect(await rows()).toEqual(before);
  });
});
