import { silentRuns, sweepPlans } from "../../db/queries/restore-runs.ts";
import { raiseAlert } from "../alerts/raise.ts";
import type { WorkerContext } from "../context.ts";
import { SILENT_AFTER_S } from "./silence.ts";

const RUNS_MAX = 100;
const PLANS_MAX = 20;

/** Raises an alert for each restore that nobody works on any more; resuming or cancelling it closes that. */
export async function alertSilentRestores(ctx: WorkerContext): Promise<{ silent: number }> {
  const silent = await silentRuns(ctx.db, SILENT_AFTER_S, RUNS_MAX);
  for (const run of silent) {
    await raiseAlert(ctx, {
      code: "restore.silent",
      subject: run.id,
      severity: "critical",
      message: `A restore has not moved since ${(run.heartbeatAt ?? run.startedAt)?.toISOString()}. Look at the workflow engine, then POST /api/restores/${run.id}/resume, or /cancel to abandon it.`,
      details: { restoreId: run.id, incident: run.incident },
    });
  }
  return { silent: silent.length };
}

/** Removes plans that nobody started within their day, a few at a time. */
export async function sweepExpiredPlans(ctx: WorkerContext): Promise<{ swept: number }> {
  return { swept: await sweepPlans(ctx.db, PLANS_MAX) };
}
