import { findRun, updateRun, type RunRow } from "../../db/queries/restore-runs.ts";
import type { Db } from "../../db/client.ts";
import { ENDED, isEnded } from "./run.ts";

/** Shows at a restore that its rollback begins. */
export async function beginRollback(db: Db, id: string): Promise<void> {
  await updateRun(db, id, ENDED, { status: "rolling_back" });
}

/**
 * Shows at a restore how its rollback ended: rolled back; as before, where nothing was changed; or somebody has to look at
 * it. A rollback that is itself rolled back leaves what it had taken back as it was.
 */
export async function settleOriginal(
  db: Db,
  run: Pick<RunRow, "rollbackOf">,
  end: { status: string; applied: number },
): Promise<void> {
  if (run.rollbackOf === null) return;
  const original = await findRun(db, run.rollbackOf);
  if (!original) return;
  if (end.status === "completed") {
    await updateRun(db, original.id, ["rolling_back"], { status: "rolled_back" });
    const before = original.rollbackOf === null ? null : await findRun(db, original.rollbackOf);
    if (before)
      await updateRun(db, before.id, ["rolled_back", "needs_attention"], { status: ownEnd(before) });
  } else {
    const status = end.applied === 0 ? ownEnd(original) : "needs_attention";
    await updateRun(db, original.id, ["rolling_back"], { status });
  }
}

/** How a run ended by itself, which its report keeps. */
function ownEnd(run: RunRow): (typeof ENDED)[number] {
  const { status } = (run.report ?? {}) as { status?: string };
  return status !== undefined && isEnded(status) ? status : "needs_attention";
}
