import { beatRun, type RunRow } from "../../db/queries/restore-runs.ts";
import { beginStep, endStep } from "../../db/queries/restore-steps.ts";
import { StepFailure } from "../errors.ts";
import type { RestoreContext } from "./context.ts";

/** Which run a workflow works on. A run that was resumed or abandoned has another epoch, and the old workflow stops. */
export interface RunRef {
  restoreId: string;
  epoch: number;
}

export type Superseded = { state: "superseded" };

/** Runs a step of a restore with its attempt written down, unless the run is no longer this workflow's to work on. */
export async function noteStep<T>(
  ctx: RestoreContext,
  { restoreId, epoch }: RunRef,
  step: string,
  action: (run: RunRow) => Promise<T>,
): Promise<T | Superseded> {
  const run = await beatRun(ctx.db, restoreId, epoch);
  if (!run) return { state: "superseded" };
  return noteAttempt(ctx, restoreId, step, () => action(run));
}

/** The same for what is done apart from the run itself. */
export async function noteAttempt<T>(
  ctx: Pick<RestoreContext, "db">,
  runId: string,
  step: string,
  action: () => Promise<T>,
): Promise<T> {
  const attempt = await beginStep(ctx.db, runId, step);
  const key = { runId, step, attempt };
  try {
    const result = await action();
    await endStep(ctx.db, key, { outcome: "done", detail: result ?? null });
    return result;
  } catch (error) {
    const { message } = new StepFailure(error);
    // What broke the step may keep this from being written; the attempt then stays without an end.
    await endStep(ctx.db, key, { outcome: "failed", detail: { error: message } }).catch(() => undefined);
    throw error;
  }
}
