import { overdueRuns, updateRun, type RunRow } from "../../db/queries/restore-runs.ts";
import { sqlNow } from "../../db/queries/rows.ts";
import { inTransaction, type WorkerContext } from "../context.ts";
import { logRun } from "./log-intent.ts";

const RUNS_MAX = 100;

/** Ends a restore whose time to be approved is over; once. */
export async function expireRestore(ctx: WorkerContext, run: RunRow): Promise<void> {
  await inTransaction(ctx, async (inner) => {
    const error = "Nobody approved it in time. Start it again.";
    const end = { status: "expired", error, endedAt: sqlNow } as const;
    const row = await updateRun(inner.db, run.id, ["awaiting_approval"], end);
    if (row) await logRun(inner, row, "RESTORE_EXPIRED", `outcome:${run.epoch}`, { error });
  });
}

/** Ends all of them, whether a workflow still waits for them or not. */
export async function expireApprovals(ctx: WorkerContext): Promise<{ expired: number }> {
  const overdue = await overdueRuns(ctx.db, RUNS_MAX);
  for (const run of overdue) await expireRestore(ctx, run);
  return { expired: overdue.length };
}
