import { findRun } from "../../db/queries/restore-runs.ts";
import type { Context } from "../../services/context.ts";
import { ServiceError } from "../../services/errors.ts";
import { operatorContext } from "../../services/operator.ts";
import { planRestore, type PlanInput } from "../../services/restore/plan.ts";
import type { PlanningContext } from "../../services/restore/preview.ts";
import { resumeRestore } from "../../services/restore/resume.ts";
import { launch } from "../../services/restore/start.ts";
import { kindOf, restoreOptions, restoreTarget } from "../../services/restore/target.ts";
import { CHUNK_ROWS, type Undo } from "./restore-data.ts";
import type { Stage } from "./restore-stage.ts";

type Served = Pick<Stage, "runtime">;

const REASON = "a fault is coming";

export const isServiceError = (error: unknown, code: string) =>
  error instanceof ServiceError && error.code === code;

/** Plans what undoes the damage; returns the plan's id. */
export async function planUndo(stage: Served, undo: Undo): Promise<string> {
  const target = restoreTarget.parse(undo.target);
  const options = restoreOptions.parse(undo.options);
  return plan(stage, { target, options, reason: REASON, incident: undefined });
}

export async function planRollback(stage: Served, id: string): Promise<string> {
  const options = restoreOptions.parse({ strictDelete: true });
  return plan(stage, {
    rollbackOf: id,
    target: { restoreId: id },
    options,
    reason: REASON,
    incident: undefined,
  });
}

async function plan(stage: Served, input: PlanInput): Promise<string> {
  return (await planRestore(planning(stage), input)).id;
}

/** Starts what is planned. */
export async function start(stage: Served, planId: string): Promise<void> {
  await asCaller(stage, async (ctx) => {
    const planned = await findRun(ctx.db, planId);
    if (!planned) throw new Error("the plan is gone");
    const target = restoreTarget.safeParse(planned.target);
    await launch(ctx, planned, target.success ? kindOf(target.data) : "tables");
  });
}

/** Resumes a restore that has been silent for long, as it shall seem. */
export async function resumeByHand(stage: Stage, id: string): Promise<void> {
  await stage.sql("update audit.restore_runs set heartbeat_at = now() - interval '1 hour' where id = $1", [
    id,
  ]);
  await asCaller(stage, (ctx) => resumeRestore(ctx, id));
}

/** As a request does it: the events go out after the commit. */
async function asCaller(stage: Served, work: (ctx: PlanningContext) => Promise<unknown>): Promise<void> {
  const { app } = stage.runtime;
  const after: ((db: Context["db"]) => Promise<void>)[] = [];
  await app.db.transaction((tx) =>
    work({ ...planning(stage), db: tx, afterCommit: (action) => void after.push(action) }),
  );
  for (const action of after) await action(app.db);
}

const planning = ({ runtime }: Served): PlanningContext => ({
  ...operatorContext(runtime.app.db, "user-faults", runtime.log),
  send: runtime.send,
  worker: runtime.worker.db,
  config: runtime.config,
  chunkRows: CHUNK_ROWS,
});
