import { createHash } from "node:crypto";
import type pg from "pg";

/** Steps with an effect, per order: in `order`, `pay` and `ship`. */
const EFFECTS = ["reserve", "stumble", "pack", "label", "charge", "load", "drive", "close"];
const RUNS_PER_ORDER = ["kill-order", "kill-pay", "kill-ship"];

export interface Verdict {
  orders: number;
  runs: number;
  /** Accepted orders without exactly one completed run of each function with the right output. */
  lost: string[];
  /** Steps that began after the engine had stored their result. */
  rerunStored: string[];
  /** Effects that are missing, or that were applied more than once. */
  wrongEffects: string[];
  /** Steps that began more than once because no result was stored: how hard the kills hit. */
  rerunUnstored: number;
}

/** Compares what the function host recorded with what the engine stored. */
export async function judge(database: pg.Pool, orders: string[]): Promise<Verdict> {
  const { rows: runs } = await database.query<{
    function_id: string;
    status: string;
    key: string;
    output: string;
  }>(
    `select function_id, status, event::json -> 'data' ->> 'key' as key, output
     from inngest.runs
     where function_id = any($1)`,
    [RUNS_PER_ORDER],
  );
  const { rows: executions } = await database.query<{
    run_id: string;
    step: string;
    began_at: Date;
    late: boolean;
  }>(
    `select run_id, step, began_at
     from kill.executions
     order by id`,
  );
  const { rows: stored } = await database.query<{ run_id: string; step_id: string; stored_at: Date }>(
    "select run_id, step_id, stored_at from inngest.steps",
  );
  const storedAt = new Map(stored.map((row) => [`${row.run_id} ${row.step_id}`, row.stored_at.getTime()]));
  const begun = new Set(executions.map((row) => `${row.run_id} ${row.step}`));
  return {
    orders: orders.length,
    runs: runs.length,
    lost: orders.filter(
      (key) =>
        !isComplete(
          key,
          runs.filter((run) => run.key === key),
        ),
    ),
    rerunStored: executions
      .filter((row) => row.began_at.getTime() > (storedAt.get(`${row.run_id} ${sha1(row.step)}`) ?? Infinity))
      .map((row) => `${row.run_id} ${row.step}`),
    wrongEffects: await findWrongEffects(database, orders),
    rerunUnstored: executions.length - begun.size,
  };
}

function isComplete(key: string, runs: { function_id: string; status: string; output: string }[]): boolean {
  if (
    runs
      .map((run) => run.function_id)
      .toSorted()
      .join() !== RUNS_PER_ORDER.toSorted().join()
  )
    return false;
  if (runs.some((run) => run.status !== "Completed")) return false;
  const output = runs.find((run) => run.function_id === "kill-order")?.output ?? "null";
  const wanted = { reserved: `reserve of ${key}`, paid: key, shipped: `drive of ${key}` };
  return output === JSON.stringify(wanted);
}

async function findWrongEffects(database: pg.Pool, orders: string[]): Promise<string[]> {
  const { rows } = await database.query<{ effect: string }>(
    "select key || ' ' || step as effect from kill.effects",
  );
  const { rows: ledger } = await database.query<{ applied: string }>("select applied from kill.ledger");
  const applied = new Set(rows.map((row) => row.effect));
  const wanted = orders.flatMap((key) => EFFECTS.map((step) => `${key} ${step}`));
  const wrong = wanted.filter((effect) => !applied.has(effect));
  const count = Number(ledger[0]?.applied);
  if (applied.size !== wanted.length || count !== wanted.length) {
    wrong.push(`${wanted.length} effects expected, ${applied.size} stored, ${count} applied`);
  }
  return wrong;
}

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}
