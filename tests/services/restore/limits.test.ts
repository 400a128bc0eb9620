import { sql as fragment } from "drizzle-orm";
import { beforeEach, describe, expect, test } from "vitest";
import { draftOf } from "../../../db/queries/restore-draft.ts";
import { operatorContext } from "../../../services/operator.ts";
import type { Limits } from "../../../services/restore/limits.ts";
import { planRestore } from "../../../services/restore/plan.ts";
import { restoreOptions, restoreTarget } from "../../../services/restore/target.ts";
import { usePlans } from "./stage.ts";

const stage = usePlans();
const { sql } = stage;
const TO = "2100-01-01T00:00:00Z";
let at: string;
let transactionId: string;

beforeEach(async () => {
  await sql(`
    drop table if exists parts, things;
    create table things (id int primary key, n int);
    create table parts (id int primary key, thing int references things on delete cascade);
    select audit.track('things'), audit.track('parts');
    insert into things select g, 0 from generate_series(1, 4) g;
    insert into parts select g, 1 from generate_series(1, 4) g;
  `);
  at = await stage.moment();
  transactionId = await stage.as("eve", "update things set n = 1");
});

/** A plan under limits that a test can reach. */
const plan = (target: unknown, limits: Partial<Limits>) => {
  const { app, worker, config, log } = stage.flows.runtime;
  return planRestore(
    {
      ...operatorContext(app.db, "user-test", log),
      worker: worker.db,
      config,
      limits: { itemsMax: 100, entriesMax: 100, roundsMax: 100, ...limits },
    },
    {
      target: restoreTarget.parse(target),
      options: restoreOptions.parse({}),
      reason: "test",
      incident: undefined,
    },
  );
};

const plans = () => stage.db.rows("superuser", "select from audit.restore_runs");

describe("more changes than a target may look at are refused", () => {
  const targets: [string, () => unknown][] = [
    ["of a transaction", () => ({ transactionId })],
    ["of an actor", () => ({ actor: "eve", from: at, to: TO, tables: ["public.things"] })],
    ["of an actor in any table", () => ({ actor: "eve", from: at, to: TO })],
    ["of tables since a time", () => ({ tables: ["public.things"], at })],
    ["of several tables together", () => ({ tables: ["public.parts", "public.things"], at })],
  ];
  test.each(targets)("%s", async (_, target) => {
    expect(await plan(target(), { entriesMax: 4 })).toMatchObject({ itemCount: 4 });
    const before = await plans();
    await expect(plan(target(), { entriesMax: 3 })).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("more than 3 changes"),
    });
    expect(await plans()).toEqual(before);
  });

  test("of one record since a time or an entry, not what came before", async () => {
    await sql("update things set n = 2 where id = 1");
    const [entry] = await sql(
      "select id::text from audit_logs where table_name = 'things' and record_id = '1' order by audit_logs.id desc limit 1",
    );
    const target = (to?: unknown) => ({ table: "public.things", recordId: "1", ...(to ? { to } : {}) });
    expect(await plan(target(), { entriesMax: 1 })).toMatchObject({ itemCount: 1 });
    expect(await plan(target({ entryId: entry?.id }), { entriesMax: 1 })).toMatchObject({ itemCount: 1 });
    const message = expect.stringContaining("more than 1 changes");
    await expect(plan(target({ time: at }), { entriesMax: 1 })).rejects.toMatchObject({ message });
  });

  test("of what comes along", async () => {
    const id = await stage.as("eve", "delete from things where id = 1");
    const target = { table: "public.things", recordId: "1" };
    expect(await plan(target, { entriesMax: 4 })).toMatchObject({ itemCount: 5 });
    const message = expect.stringContaining("more than 3 changes");
    await expect(plan(target, { entriesMax: 3 })).rejects.toMatchObject({ code: "conflict", message });
    await expect(plan({ transactionId: id }, { entriesMax: 4 })).rejects.toMatchObject({ code: "conflict" });
  });

  test("before one of them is copied", async () => {
    const [table] = await sql("select 'things'::regclass::oid::int as relation");
    await stage.flows.runtime.worker.db.transaction(async (tx) => {
      const draft = draftOf(tx);
      await draft.begin();
      const drafted = async () =>
        (await tx.execute(fragment`select count(*)::int as n from pg_temp.restore_entries`)).rows;
      expect(await draft.since(Number(table?.relation), new Date(at), 3)).toBe(4);
      expect(await drafted()).toEqual([{ n: 0 }]);
      expect(await draft.since(Number(table?.relation), new Date(at), 4)).toBe(4);
      expect(await drafted()).toEqual([{ n: 4 }]);
    });
  });
});

test("more rows than a restore may change are refused; rows that are as they should be do not count", async () => {
  const target = { tables: ["public.things"], at };
  const before = await plans();
  await expect(plan(target, { itemsMax: 3 })).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining("4 rows; a restore takes 3 at most"),
  });
  expect(await plans()).toEqual(before);
  await sql("update things set n = 0 where id = 4");
  expect(await plan(target, { itemsMax: 3 })).toMatchObject({ itemCount: 3 });
});

test("relations that go deeper than they are followed are refused, not cut off", async () => {
  await sql(`
    drop table if exists nested;
    create table nested (id int primary key, up int references nested on delete cascade);
    select audit.track('nested');
    insert into nested select n, nullif(n - 1, 0) from generate_series(1, 5) n`);
  await sql("delete from nested where id = 1");
  const target = { table: "public.nested", recordId: "1" };
  expect(await plan(target, { roundsMax: 5 })).toMatchObject({ itemCount: 5 });
  const before = await plans();
  await expect(plan(target, { roundsMax: 4 })).rejects.toThrow(/over more than 4 steps/);
  expect(await plans()).toEqual(before);
});
