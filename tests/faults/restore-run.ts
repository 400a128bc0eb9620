import { setTimeout as sleep } from "node:timers/promises";
import { fillCache } from "./restore-cache.ts";
import { schemaOf } from "./restore-config.ts";
import { damageTables, fillTables, type Scenario } from "./restore-data.ts";
import type { Fault, Faults } from "./restore-faults.ts";
import { failedAttempts, outcomeOf, redeliveries, type Ran } from "./restore-outcome.ts";
import { planRollback, planUndo, start } from "./restore-service.ts";
import { newRunName, type Stage } from "./restore-stage.ts";

const POLL_MS = 150;
/** Neighbours' faults hit a run again and again, and so does a machine with other work on it. */
const END_TIMEOUT_MS = 300_000;
const UNDER_WAY = new Set(["planned", "running", "awaiting_approval"]);

export interface Hit {
  point: string;
  fault: Fault;
}

export interface RunResult {
  lines: string[];
  /** Where the restore that a fault may hit can be held. */
  points: string[];
  /** Whether the run came to its point; other runs' faults may let it pass. */
  isHit: boolean;
  redeliveries: number;
  failedAttempts: string[];
}

/**
 * One run: fills the tables, breaks them, restores them (and rolls that back), with a fault or without, and tells what is
 * left once nothing goes on any more.
 */
export async function runOnce(
  stage: Stage,
  faults: Faults,
  { number, lane, scenario, hit }: { number: number; lane: number; scenario: Scenario; hit: Hit | null },
): Promise<RunResult> {
  const run = newRunName(number);
  const where = { lane, run };
  const isRollback = scenario.phase === "rollback";
  const strike = async (restoreId: string) =>
    hit !== null && (await holdAndStrike(stage, faults, { number, restoreId, isRollback, ...hit }, where));

  const begun = await faults.gate.pass(async () => {
    const at = await fillTables(stage.app, lane, run);
    await fillCache(stage, where, "before");
    const undo = await damageTables(stage.app, { lane, run, scenario, at });
    await fillCache(stage, where, "before");
    const [last] = await stage.sql(
      "select max(id)::text as id from audit.audit_logs where table_schema = $1",
      [schemaOf(lane)],
    );
    const restoreId = await planUndo(stage, undo);
    if (hit !== null && !isRollback) await stage.pauses.hold(number, restoreId, hit.point);
    await start(stage, restoreId);
    return { restoreId, since: last?.id as string };
  });
  let isHit = !isRollback && (await strike(begun.restoreId));
  await settled(stage, begun.restoreId);
  let rollbackId: string | null = null;
  if (isRollback) {
    rollbackId = await faults.gate.pass(async () => {
      await fillCache(stage, where, "before");
      const id = await planRollback(stage, begun.restoreId);
      if (hit !== null) await stage.pauses.hold(number, id, hit.point);
      await start(stage, id);
      return id;
    });
    isHit = await strike(rollbackId);
    await settled(stage, rollbackId);
  }
  const ran: Ran = { ...where, ...begun, rollbackId };
  return {
    lines: await outcomeOf(stage, ran),
    points: await pointsOf(stage, rollbackId ?? begun.restoreId),
    isHit,
    redeliveries: redeliveries(stage, run),
    failedAttempts: await failedAttempts(stage, ran),
  };
}

/** Waits until the run is at its point, lets a reader fill caches there, and lets the fault strike. */
async function holdAndStrike(
  stage: Stage,
  faults: Faults,
  { number, restoreId, isRollback, fault }: Hit & { number: number; restoreId: string; isRollback: boolean },
  where: { lane: number; run: string },
): Promise<boolean> {
  while ((await stage.pauses.waiting(number)).length === 0) {
    if (!(await isUnderWay(stage, restoreId))) {
      await stage.pauses.release(number);
      return false;
    }
    await sleep(POLL_MS);
  }
  await fillCache(stage, where, "again");
  await faults.strike(stage, { number, restoreId, epoch: 1, isRollback }, fault);
  return true;
}

/** Waits until a restore has ended, and every workflow of it. */
async function settled(stage: Stage, restoreId: string): Promise<void> {
  const deadline = Date.now() + END_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if (!(await isUnderWay(stage, restoreId))) {
      const [row] = await stage.engineSql(
        `select exists (select from inngest.runs where status = 'Running' and event::json -> 'data' ->> 'restoreId' = $1)
         or exists (select from inngest.events where handled_at is null) as open`,
        [restoreId],
      );
      if (row?.open === false) return;
    }
    await sleep(POLL_MS);
  }
}

async function isUnderWay(stage: Stage, restoreId: string): Promise<boolean> {
  const [row] = await stage.sql("select status from audit.restore_runs where id = $1", [restoreId]);
  return UNDER_WAY.has(row?.status as string);
}

async function pointsOf(stage: Stage, id: string): Promise<string[]> {
  const found = await stage.sql(
    `select distinct 'begin ' || step as point from audit.restore_steps where run_id = $1
     union select 'end ' || step from audit.restore_steps where run_id = $1
     union select 'mark ' || chunk from audit.restore_chunks where run_id = $1
     union select format('row %s %s', chunk, n) from audit.restore_chunks cross join generate_series(1, applied_count) n where run_id = $1
     union select 'keep' from audit.restore_snapshot_rows where run_id = $1
     union select 'note ' || kind from audit.restore_effects where run_id = $1
     union select 'done ' || kind from audit.restore_effects where run_id = $1 and kind = 'flush'
     order by 1`,
    [id],
  );
  return found.map(({ point }) => point as string);
}
