import { keepSnapshot, updateRun } from "../../db/queries/restore-runs.ts";
import type { RestoreContext } from "./context.ts";
import { noteStep, type RunRef } from "./note-step.ts";
import type { RestoreOptions } from "./target.ts";

/** Keeps the rows that will change as they are, unless that was not wanted. Repeating it keeps the same. */
export async function snapshotRows(ctx: RestoreContext, ref: RunRef) {
  return noteStep(ctx, ref, "snapshot", async (run) => {
    if (!(run.options as RestoreOptions).createSnapshot)
      return { state: "none" as const, snapshotId: null, rows: 0 };
    return ctx.db.transaction(async (tx) => {
      const rows = await keepSnapshot(tx, run.id);
      const snapshotId = run.snapshotId ?? crypto.randomUUID();
      await updateRun(tx, run.id, ["running"], { snapshotId });
      return { state: "kept" as const, snapshotId, rows };
    });
  });
}
