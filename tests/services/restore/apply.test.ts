import { beforeEach, describe, expect, test } from "vitest";
import { applyRestoreChunk } from "../../../services/restore/apply.ts";
import { restoreContext } from "../../../services/runtime.ts";
import { useRestores } from "../../support/restores.ts";
import {
  act,
  alertsOf,
  closeGate,
  eventsOf,
  get,
  historyOf,
  rollback,
  start,
  timeBetween,
  waitsAtGate,
} from "./support.ts";

const TIMEOUT_MS = 60_000;
const stage = useRestores();
const { sql } = stage;

const things = () => sql("select * from things order by id");
const count = async (condition = "true") =>
  Number((await sql(`select count(*) from things where ${condition}`))[0]?.count);

beforeEach(async () => {
  await sql(`
    drop table if exists things cascade;
    create table things (id text primary key, name text not null, n int, updated_at timestamptz);
    select audit.track('things');
  `);
});

/** Rows that are then deleted; their keys sort as their numbers do. */
async function deleted(rows: number) {
  await sql(
    `insert into things (id, name, n) select lpad(g::text, 6, '0'), 'row ' || g, g from generate_series(1, ${rows}) g`,
  );
  const at = await timeBetween(stage);
  await sql("delete from things");
  return { tables: ["public.things"], at };
}

describe("what the application refuses", () => {
  const SECRET = "4711-secret";
  test.each([
    [
      "a deferred constraint trigger",
      `create function refuse_late() returns trigger language plpgsql as $$ begin raise exception 'no %', new.name using errcode = '23514', constraint = 'n_is_small'; end $$;
       create constraint trigger refuse_late after insert on things deferrable initially deferred for each row when (new.n = 3) execute function refuse_late()`,
      { sqlstate: "23514", constraint: "n_is_small" },
    ],
    [
      "a trigger that raises",
      `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no % here', new.name using errcode = 'X0001'; end $$;
       create trigger refuse before insert on things for each row when (new.n = 3) execute function refuse()`,
      { sqlstate: "X0001", constraint: null },
    ],
    [
      "a trigger that leaves rows out",
      `create function leave_out() returns trigger language plpgsql as $$ begin return null; end $$;
       create trigger leave_out before insert on things for each row when (new.n = 3) execute function leave_out()`,
      { sqlstate: "AF001", constraint: null },
    ],
    [
      "a partial unique index",
      `create unique index one_name on things (name) where n > 0; insert into things values ('other', '${SECRET}', 9)`,
      { sqlstate: "23505", constraint: "one_name" },
    ],
    [
      "a constraint that is checked at the end",
      `create table kinds (name text primary key); alter table things add constraint known foreign key (name) references kinds deferrable initially deferred`,
      { sqlstate: "23503", constraint: "known" },
    ],
  ])("by %s fails the restore, is named, and changes nothing", async (_, refusal, stop) => {
    await sql("drop function if exists refuse, leave_out; drop table if exists kinds cascade");
    const target = await deleted(2);
    await sql(`insert into things (id, name, n) values ('3', '${SECRET}', 3); delete from things`);
    await sql(refusal);
    const before = await things();
    const record = { table: "public.things", recordId: "3" };
    const run = await stage.restore(record);
    expect(run).toMatchObject({
      status: "failed",
      appliedCount: 0,
      report: { stop: { state: "refused", ...stop } },
    });
    expect(run.error).toContain("Nothing was changed.");
    expect(await things()).toEqual(before);
    expect(await historyOf(stage, run.id)).toEqual([]);
    expect(await alertsOf(stage, run.id)).toEqual(["restore.failed"]);
    const said = JSON.stringify([
      await get(stage, run.id),
      await stage.db.rows("superuser", "select message, details from audit.alerts where subject = $1", [
        run.id,
      ]),
      await eventsOf(stage, run.id),
    ]);
    expect(said).not.toContain(SECRET);
    expect(target).toBeDefined();
  });
});

describe("what a restore leaves in the logs", () => {
  test("is its intent before the first row, each row in the name of who asked, and its outcome, each once", async () => {
    const target = await deleted(3);
    const run = await stage.restore(target, { flush: "none" });
    expect(run.status).toBe("completed");
    const events = await eventsOf(stage, run.id);
    expect(events.map((one) => one.action_type)).toEqual([
      "REQUEST_RESTORE",
      "RESTORE_BEGUN",
      "RESTORE_COMPLETED",
    ]);
    const [, begun] = events;
    expect(begun).toMatchObject({
      created_by_user_id: "user-test",
      metadata: {
        restore_id: run.id,
        restore_type: "tables",
        options: { createSnapshot: true, flush: "none" },
        pre_restore_snapshot_id: run.snapshotId,
      },
    });
    expect(run.snapshotId).not.toBeNull();
    const history = await historyOf(stage, run.id);
    expect(history).toHaveLength(3);
    for (const row of history) {
      expect(row).toMatchObject({ action: "INSERT", user_id: "user-test" });
      expect(Number(begun?.created_at)).toBeLessThan(Number(row.created_at));
    }
  });

  test("names in the application's triggers are looked up where the application has them", async () => {
    await sql(`
      drop schema if exists shop cascade;
      create schema shop;
      create table shop.orders (id int primary key, total int);
      create table shop.counts (orders int not null);
      insert into shop.counts values (0);
      create function shop.count_up() returns trigger language plpgsql as $$ begin update counts set orders = orders + 1; return null; end $$;
      create trigger count_up after insert on shop.orders for each row execute function shop.count_up();
      select audit.track('shop.orders');
      grant usage on schema shop to audit_worker;
      grant select, update on shop.counts to audit_worker;
      set search_path = shop, public;
      insert into orders values (1, 10);
      delete from orders;
    `);
    expect(await stage.restore({ table: "shop.orders", recordId: "1" })).toMatchObject({
      status: "completed",
    });
    expect(await sql("select orders from shop.counts")).toEqual([{ orders: 2 }]);
    await sql("reset search_path");
  });

  test("a sequence that was started anew does not give out a key that came back", async () => {
    await sql(`
      drop table if exists numbered;
      create table numbered (id int generated always as identity primary key, serial serial, name text);
      select audit.track('numbered');
      insert into numbered (name) values ('first');
      truncate numbered restart identity;
    `);
    expect(await stage.restore({ table: "public.numbered", recordId: "1" })).toMatchObject({
      status: "completed",
    });
    expect(await sql("insert into numbered (name) values ('second') returning id, serial")).toEqual([
      { id: 2, serial: 2 },
    ]);
  });
});

describe("a restore of several chunks", () => {
  test(
    "keeps the first when the second is refused, looks at it, and offers to roll it back",
    async () => {
      const target = await deleted(12_000);
      await sql(
        `create function refuse_7000() returns trigger language plpgsql as $$ begin raise exception 'no' using errcode = '23514', constraint = 'not_7000'; end $$;
         create trigger refuse_7000 before insert on things for each row when (new.n = 7000) execute function refuse_7000()`,
      );
      const run = await stage.restore(target);
      expect(run).toMatchObject({
        status: "needs_attention",
        chunkCount: 3,
        chunksDone: 1,
        appliedCount: 5_000,
        report: { stop: { constraint: "not_7000" }, verification: { ok: true } },
      });
      expect(run.error).toContain(`/api/restores/${run.id}/rollback`);
      expect(await count()).toBe(5_000);
      expect(await alertsOf(stage, run.id)).toEqual(["restore.needs-attention"]);

      await sql("drop trigger refuse_7000 on things");
      expect((await act(stage, run.id, "resume")).status).toBe(202);
      expect(await stage.ended(run.id)).toMatchObject({
        status: "completed",
        error: null,
        appliedCount: 12_000,
      });
      expect(await count()).toBe(12_000);
      expect(await alertsOf(stage, run.id)).toEqual(["restore.needs-attention (closed)"]);
      expect(await rollback(stage, run.id)).toMatchObject({ status: "completed", appliedCount: 12_000 });
      expect(await count()).toBe(0);
    },
    TIMEOUT_MS,
  );

  test(
    "stops between two of them when it is cancelled, and what was applied can be rolled back",
    async () => {
      const target = await deleted(12_000);
      await sql(waitsAtGate("things", "before insert", "new.n = 5001", 81));
      const gate = await closeGate(stage, 81);
      const { body } = await start(stage, target);
      await gate.reached();
      expect((await get(stage, body.id)).chunksDone).toBe(1);
      expect(await count()).toBe(5_000);
      const cancelled = await act(stage, body.id, "cancel");
      expect(cancelled).toMatchObject({ status: 202, body: { status: "running" } });
      await gate.open();
      const run = await stage.ended(body.id);
      expect(run).toMatchObject({
        status: "cancelled",
        chunksDone: 2,
        appliedCount: 10_000,
        progressPercent: 100,
        report: { verification: { ok: true } },
      });
      expect(await count()).toBe(10_000);
      expect(await alertsOf(stage, run.id)).toEqual([]);
      expect((await act(stage, run.id, "resume")).status).toBe(409);
      expect(await rollback(stage, run.id)).toMatchObject({ status: "completed", appliedCount: 10_000 });
      expect(await count()).toBe(0);
    },
    TIMEOUT_MS,
  );
});

test("a chunk that is delivered again changes nothing, be it after or at the same time", async () => {
  const target = await deleted(3);
  await sql(waitsAtGate("things", "before insert", "true", 82));
  const gate = await closeGate(stage, 82);
  const { body } = await start(stage, target);
  await gate.reached();
  const ctx = restoreContext(stage.flows.runtime);
  const ref = { restoreId: body.id, epoch: 1 };
  const twice = [applyRestoreChunk(ctx, ref, 1), applyRestoreChunk(ctx, ref, 1)];
  await gate.open();
  for (const outcome of await Promise.all(twice)) {
    expect(outcome).toMatchObject(
      "applied" in outcome ? { state: "done", applied: 3 } : { state: "superseded" },
    );
  }
  expect(await stage.ended(body.id)).toMatchObject({ status: "completed", appliedCount: 3 });
  expect(await historyOf(stage, body.id)).toHaveLength(3);
  expect(await applyRestoreChunk(ctx, ref, 1)).toEqual({ state: "superseded" });
});

test("progress only grows, and ends at 100", async () => {
  const target = await deleted(20);
  const { body } = await start(stage, target);
  const seen: number[] = [];
  for (let run = await get(stage, body.id); ; run = await get(stage, body.id)) {
    seen.push(run.progressPercent);
    if (run.endedAt !== null) break;
  }
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expect(seen.at(-1)).toBe(100);
  const { steps } = await get(stage, body.id);
  const names = steps.map((one: { step: string }) => one.step);
  expect(names).toEqual([
    "plan",
    "snapshot",
    "log-intent",
    "apply-1",
    "flush-caches",
    "reenqueue-jobs",
    "verify",
    "complete",
  ]);
  expect(steps).toEqual(
    names.map(() => expect.objectContaining({ attempt: 1, outcome: "done", endedAt: expect.any(String) })),
  );
});
