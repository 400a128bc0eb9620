import { beforeEach, describe, expect, test } from "vitest";
import { applyRestoreChunk } from "../../../services/restore/apply.ts";
import { completeRestore } from "../../../services/restore/complete.ts";
import { confirmPlan } from "../../../services/restore/confirm.ts";
import { logIntent } from "../../../services/restore/log-intent.ts";
import { alertSilentRestores } from "../../../services/restore/watch.ts";
import { restoreContext } from "../../../services/runtime.ts";
import { CHUNK_ROWS } from "../../faults/restore-data.ts";
import { planUndo, start as startPlan } from "../../faults/restore-service.ts";
import { useRestores } from "../../support/restores.ts";
import {
  act,
  alertsOf,
  closeGate,
  eventsOf,
  get,
  historyOf,
  rollback,
  rows,
  start,
  timeBetween,
  waitsAtGate,
} from "./support.ts";

const stage = useRestores();
const { sql } = stage;
const names = async () => (await sql("select name from things order by id")).map(({ name }) => name);
const target = { table: "public.things", recordId: "1" };
let gateNumber = 100;

beforeEach(async () => {
  await sql(`
    drop table if exists things cascade;
    create table things (id int primary key, name text not null);
    select audit.track('things');
    insert into things values (1, 'good');
    update things set name = 'bad';
  `);
});

/** A restore whose chunk waits at a gate, and that has not been heard of for eleven minutes. */
async function silent() {
  gateNumber++;
  await sql(waitsAtGate("things", "before update", "true", gateNumber));
  const gate = await closeGate(stage, gateNumber);
  const { body } = await start(stage, target);
  await gate.reached();
  await rows(stage, "update audit.restore_runs set heartbeat_at = now() - interval '11 min' where id = $1", [
    body.id,
  ]);
  return { id: body.id as string, gate };
}

describe("a restore that nobody works on", () => {
  test("is told of once, and goes on with the next chunk when it is resumed; the old workflow stops", async () => {
    const { id, gate } = await silent();
    const ctx = restoreContext(stage.flows.runtime);
    expect(await alertSilentRestores(ctx)).toEqual({ silent: 1 });
    expect(await alertsOf(stage, id)).toEqual(["restore.silent"]);
    const resumed = await act(stage, id, "resume");
    expect(resumed).toMatchObject({ status: 202, body: { status: "running" } });
    expect(await alertsOf(stage, id)).toEqual(["restore.silent (closed)"]);
    expect(await applyRestoreChunk(ctx, { restoreId: id, epoch: 1 }, 1)).toEqual({ state: "superseded" });
    expect((await act(stage, id, "resume")).status).toBe(409);
    await gate.open();
    expect(await stage.ended(id)).toMatchObject({ status: "completed", appliedCount: 1 });
    expect(await names()).toEqual(["good"]);
    expect(await historyOf(stage, id)).toHaveLength(1);
    const actions = (await eventsOf(stage, id)).map((one) => one.action_type);
    expect(actions).toEqual(["REQUEST_RESTORE", "RESTORE_BEGUN", "RESUME_RESTORE", "RESTORE_COMPLETED"]);
  });

  test("is abandoned at once when it is cancelled, and what its workflow was about to write is not written", async () => {
    const { id, gate } = await silent();
    expect(await act(stage, id, "cancel")).toMatchObject({ status: 202, body: { status: "cancelled" } });
    await gate.open();
    await expect
      .poll(async () => (await get(stage, id)).steps.at(-1), { timeout: 10_000 })
      .toMatchObject({ step: "apply-1", outcome: "done", detail: { state: "superseded" } });
    expect(await names()).toEqual(["bad"]);
    expect(await historyOf(stage, id)).toEqual([]);
    expect(await get(stage, id)).toMatchObject({
      status: "cancelled",
      appliedCount: 0,
      progressPercent: expect.any(Number),
    });
    expect(await alertsOf(stage, id)).toEqual([]);
    expect((await act(stage, id, "rollback")).status).toBe(409);
    expect((await act(stage, id, "cancel")).status).toBe(409);
  });

  test("is abandoned with rows applied: somebody has to look, and a rollback puts everything back", async () => {
    // Keys sort as text: 10 … 59 are two chunks, and the second waits for its last row.
    await sql(
      `delete from things; insert into things select g, 'good' from generate_series(10, ${9 + 2 * CHUNK_ROWS}) g`,
    );
    const at = await timeBetween(stage);
    await sql("update things set name = 'bad'");
    gateNumber++;
    await sql(waitsAtGate("things", "before update", `new.id = ${9 + 2 * CHUNK_ROWS}`, gateNumber));
    const gate = await closeGate(stage, gateNumber);
    const id = await planUndo(stage.flows, { target: { tables: ["public.things"], at }, options: {} });
    await startPlan(stage.flows, id);
    await gate.reached();
    await rows(
      stage,
      "update audit.restore_runs set heartbeat_at = now() - interval '11 min' where id = $1",
      [id],
    );
    expect(await alertSilentRestores(restoreContext(stage.flows.runtime))).toEqual({ silent: 1 });

    const abandoned = await act(stage, id, "cancel");
    expect(abandoned).toMatchObject({ status: 202, body: { status: "needs_attention" } });
    expect(abandoned.body.error).toContain(`/api/restores/${id}/rollback`);
    await gate.open();
    await expect
      .poll(async () => (await get(stage, id)).steps.at(-1), { timeout: 10_000 })
      .toMatchObject({ step: "apply-2", outcome: "done", detail: { state: "superseded" } });
    expect(await get(stage, id)).toMatchObject({
      status: "needs_attention",
      appliedCount: CHUNK_ROWS,
      chunksDone: 1,
      chunkCount: 2,
    });
    expect((await names()).filter((name) => name === "good")).toHaveLength(CHUNK_ROWS);
    expect(await alertsOf(stage, id)).toEqual(["restore.needs-attention", "restore.silent (closed)"]);
    const told = await rows(
      stage,
      "select action_type from audit.audit_events where resource_id = $1 order by created_at",
      [id],
    );
    expect(told.map((one) => one.action_type)).toEqual(
      expect.arrayContaining(["RESTORE_BEGUN", "RESTORE_NEEDS_ATTENTION"]),
    );

    expect(await rollback(stage, id)).toMatchObject({ status: "completed", appliedCount: CHUNK_ROWS });
    expect(new Set(await names())).toEqual(new Set(["bad"]));
    expect(await get(stage, id)).toMatchObject({ status: "rolled_back" });
    expect(await alertsOf(stage, id)).toEqual([
      "restore.needs-attention (closed)",
      "restore.silent (closed)",
    ]);
  });

  test("is not taken for such while it is worked on", async () => {
    const { id, gate } = await silent();
    await rows(stage, "update audit.restore_runs set heartbeat_at = now() where id = $1", [id]);
    expect(await alertSilentRestores(restoreContext(stage.flows.runtime))).toEqual({ silent: 0 });
    expect((await act(stage, id, "resume")).status).toBe(409);
    await gate.open();
    expect(await stage.ended(id)).toMatchObject({ status: "completed" });
  });
});

test("a step that fails for good fails the restore, is told, and goes on when the cause is gone", async () => {
  const right = "insert on audit.restore_snapshot_rows";
  await rows(stage, `revoke ${right} from audit_worker`);
  const { body } = await start(stage, target);
  const failed = await stage.ended(body.id);
  await rows(stage, `grant ${right} to audit_worker`);
  expect(failed).toMatchObject({ status: "failed", appliedCount: 0 });
  expect(failed.error).toContain(`/api/restores/${body.id}/resume`);
  const attempts = failed.steps.filter((one: { step: string }) => one.step === "snapshot");
  expect(attempts.length).toBeGreaterThan(1);
  for (const one of attempts)
    expect(one).toMatchObject({ outcome: "failed", detail: { error: expect.stringContaining("42501") } });
  expect(await alertsOf(stage, body.id)).toEqual(["restore.failed"]);
  expect(await names()).toEqual(["bad"]);

  expect((await act(stage, body.id, "resume")).status).toBe(202);
  expect(await stage.ended(body.id)).toMatchObject({ status: "completed", error: null });
  expect(await names()).toEqual(["good"]);
  expect(await alertsOf(stage, body.id)).toEqual(["restore.failed (closed)"]);
  expect((await act(stage, body.id, "resume")).status).toBe(409);
});

test("a rollback whose step fails with nothing changed leaves the restore as it was", async () => {
  const run = await stage.restore(target);
  const right = "insert on audit.restore_snapshot_rows";
  await rows(stage, `revoke ${right} from audit_worker`);
  const back = await rollback(stage, run.id);
  await rows(stage, `grant ${right} to audit_worker`);
  expect(back).toMatchObject({ status: "failed" });
  expect((await get(stage, run.id)).status).toBe("completed");
  expect((await act(stage, back.id, "resume")).status).toBe(202);
  expect((await get(stage, run.id)).status).toMatch(/rolling_back|rolled_back/);
  expect(await stage.ended(back.id)).toMatchObject({ status: "completed" });
  expect((await get(stage, run.id)).status).toBe("rolled_back");
  expect(await names()).toEqual(["bad"]);
});

test("steps that are delivered again write intent and outcome once", async () => {
  const run = await stage.restore(target);
  const ctx = restoreContext(stage.flows.runtime);
  const ref = { restoreId: run.id, epoch: 1 };
  await rows(stage, "update audit.restore_runs set status = 'running', ended_at = null where id = $1", [
    run.id,
  ]);
  await logIntent(ctx, ref);
  const course = { stop: null, verification: null, effects: {} };
  await Promise.all([completeRestore(ctx, ref, course), completeRestore(ctx, ref, course)]);
  expect(await completeRestore(ctx, ref, course)).toEqual({ state: "superseded" });
  expect((await eventsOf(stage, run.id)).map((one) => one.action_type)).toEqual([
    "REQUEST_RESTORE",
    "RESTORE_BEGUN",
    "RESTORE_COMPLETED",
  ]);
});

test("a cache key that was flushed is flushed again when the restore goes on", async () => {
  const run = await stage.restore(target);
  await rows(
    stage,
    `insert into audit.restore_effects (run_id, repeat, kind, name, is_done, detail) values
       ($1, 0, 'flush', 'key', true, '{"digest": "x"}'), ($1, 0, 'flush', 'pattern', true, '{"cursor": "7"}'), ($1, 0, 'enqueue', 'job', true, '{}')`,
    [run.id],
  );
  await rows(stage, "update audit.restore_runs set status = 'running', epoch = 2 where id = $1", [run.id]);
  const ctx = restoreContext(stage.flows.runtime);
  await confirmPlan(ctx, { restoreId: run.id, epoch: 2, requestId: run.id });
  await rows(stage, "update audit.restore_runs set status = 'completed' where id = $1", [run.id]);
  const effects = "select name, is_done, detail from audit.restore_effects where run_id = $1 order by name";
  expect(await rows(stage, effects, [run.id])).toEqual([
    { name: "job", is_done: true, detail: {} },
    { name: "key", is_done: false, detail: { digest: "x" } },
    { name: "pattern", is_done: false, detail: {} },
  ]);
});

test("side effects that are asked for again are noted as steps of their own", async () => {
  const run = await stage.restore(target);
  expect(await act(stage, run.id, "side-effects")).toMatchObject({ status: 202, body: { repeat: 1 } });
  await expect
    .poll(async () => (await get(stage, run.id)).steps.map((one: { step: string }) => one.step), {
      timeout: 10_000,
    })
    .toEqual(expect.arrayContaining(["flush-caches-again-1", "reenqueue-jobs-again-1"]));
  expect((await get(stage, run.id)).status).toBe("completed");
});
