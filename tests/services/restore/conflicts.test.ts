import { beforeEach, describe, expect, test } from "vitest";
import { defineConfig } from "../../../lib/config.ts";
import { useRestores } from "../../support/restores.ts";
import { act, alertsOf, closeGate, get, historyOf, keyOf, start, timeBetween } from "./support.ts";

// A restore waits for its approval, so that others can change rows between plan and apply.
const stage = useRestores({
  config: defineConfig({ tables: {}, restores: { approval: [{ tables: ["public.things"] }] } }),
});
const { sql } = stage;
const things = () => sql("select * from things order by id");
let target: unknown;

beforeEach(async () => {
  await sql(`
    drop table if exists things cascade;
    create table things (id int primary key, name text not null, n int);
    select audit.track('things');
    insert into things select g, 'old' || g, g from generate_series(1, 4) g;
  `);
  const at = await timeBetween(stage);
  await sql("update things set name = 'bad' where id in (1, 2); delete from things where id in (3, 4)");
  target = { tables: ["public.things"], at };
});

/** Starts, has others do something, and approves. */
async function approvedAfter(meanwhile: () => Promise<unknown>, options: object = {}) {
  const started = await start(stage, target, options, await keyOf(stage, "alice"));
  expect(started.status, JSON.stringify(started.body)).toBe(202);
  await meanwhile();
  expect((await act(stage, started.body.id, "approve", await keyOf(stage, "bob"))).status).toBe(200);
  return stage.ended(started.body.id);
}

describe.each([
  ["changed", "update things set name = 'newer' where id = 1", "1"],
  ["deleted", "delete from things where id = 2", "2"],
  ["inserted", "insert into things values (3, 'newer', 33)", "3"],
])("a row that was %s between plan and apply", (_, statement, recordId) => {
  test("fails the restore by default: nothing is changed, and the row is named", async () => {
    let before: unknown;
    const run = await approvedAfter(async () => {
      await sql(statement);
      before = await things();
    });
    expect(run).toMatchObject({
      status: "failed",
      appliedCount: 0,
      report: { stop: { state: "conflict", rows: 1, items: [{ table: "public.things", recordId }] } },
    });
    expect(await things()).toEqual(before);
    expect(await historyOf(stage, run.id)).toEqual([]);
    expect(await alertsOf(stage, run.id)).toEqual(["restore.failed"]);
  });

  test("stays as it is with skip, and the others come back", async () => {
    const run = await approvedAfter(() => sql(statement), { onConflict: "skip" });
    expect(run).toMatchObject({ status: "completed", appliedCount: 3, skippedCount: 1 });
    const id = Number(recordId);
    const isOld = ({ id, name }: Record<string, unknown>) => name === `old${String(id)}`;
    expect((await things()).filter((row) => row.id !== id && isOld(row))).toHaveLength(3);
    expect((await things()).filter((row) => row.id === id)).toEqual(
      recordId === "2" ? [] : [expect.objectContaining({ name: "newer" })],
    );
    const items = await stage.items(run.id);
    expect(items.find((one) => one.recordId === recordId)).toMatchObject({ outcome: "skipped" });
  });

  test("is overwritten with overwrite, and rolling back brings back exactly what was there", async () => {
    let before: unknown;
    const run = await approvedAfter(
      async () => {
        await sql(statement);
        before = await things();
      },
      { onConflict: "overwrite" },
    );
    expect(run).toMatchObject({ status: "completed", error: null, appliedCount: 4, skippedCount: 0 });
    expect(await things()).toMatchObject([1, 2, 3, 4].map((id) => ({ id, name: `old${id}` })));
    const answer = await act(stage, run.id, "rollback", await keyOf(stage, "alice"));
    expect(answer.status, JSON.stringify(answer.body)).toBe(202);
    expect(answer.body).toMatchObject({ status: "awaiting_approval" });
    expect((await get(stage, run.id)).status).toBe("completed");
    await act(stage, answer.body.id, "approve", await keyOf(stage, "bob"));
    expect(await stage.ended(answer.body.id)).toMatchObject({ status: "completed" });
    expect(await things()).toEqual(before);
  });
});

test("overwrite writes the planned columns; one that was right and that somebody changed since stays, until the next plan", async () => {
  const run = await approvedAfter(
    () =>
      sql(
        "update things set name = 'newer', n = 99 where id = 1; insert into things values (3, 'newer', 99)",
      ),
    { onConflict: "overwrite" },
  );
  expect(run).toMatchObject({ status: "completed", error: null });
  expect(await things()).toMatchObject([
    { id: 1, name: "old1", n: 99 },
    { id: 2, name: "old2", n: 2 },
    { id: 3, name: "old3", n: 3 },
    { id: 4, name: "old4", n: 4 },
  ]);
  const { body } = await stage.preview(target);
  expect(await stage.items(body.id)).toMatchObject([{ recordId: "1", changes: { n: { restored: 1 } } }]);
});

test("a row that somebody has set right meanwhile is no fault where it is overwritten", async () => {
  const run = await approvedAfter(() => sql("update things set name = 'old1' where id = 1"), {
    onConflict: "overwrite",
  });
  expect(run).toMatchObject({ status: "completed", error: null, appliedCount: 4 });
});

test("a row that is inserted while the chunk runs is found to be in the way, not taken for a refusal", async () => {
  const gate = await closeGate(stage, 71);
  await gate.client.query("begin; insert into things values (3, 'newer', 33)");
  const started = await start(stage, target, {}, await keyOf(stage, "alice"));
  await act(stage, started.body.id, "approve", await keyOf(stage, "bob"));
  await gate.reached("transactionid");
  await gate.client.query("commit");
  await gate.open();
  const run = await stage.ended(started.body.id);
  expect(run).toMatchObject({
    status: "failed",
    report: { stop: { state: "conflict", items: [{ recordId: "3" }] } },
  });
});

test("a row that the application holds locked for long has the step tried again, and then it is done", async () => {
  const gate = await closeGate(stage, 72);
  await gate.client.query("begin; select from things where id = 1 for update");
  const started = await start(stage, target, {}, await keyOf(stage, "alice"));
  await act(stage, started.body.id, "approve", await keyOf(stage, "bob"));
  const [pid] = await gate.reached("transactionid");
  await stage.db.rows("superuser", "select pg_cancel_backend($1)", [pid]);
  await gate.reached("transactionid");
  await gate.client.query("rollback");
  await gate.open();
  const run = await stage.ended(started.body.id);
  expect(run).toMatchObject({ status: "completed", appliedCount: 4 });
  expect(
    run.steps
      .filter((one: { step: string }) => one.step === "apply-1")
      .map((one: { outcome: string }) => one.outcome),
  ).toEqual(["failed", "done"]);
});
