import { notePickedUp } from "../../db/queries/requests.ts";
import { updateRun } from "../../db/queries/restore-runs.ts";
import { sqlNow } from "../../db/queries/rows.ts";
import type { RestoreContext } from "./context.ts";
import { noteStep, type RunRef } from "./note-step.ts";

export interface Confirmed {
  state: "waiting" | "ready";
  chunkCount: number;
}

/** The first step: notes that the run was picked up, and whether it waits for an approval. */
export async function confirmPlan(ctx: RestoreContext, ref: RunRef & { requestId: string }) {
  await notePickedUp(ctx.db, ref.requestId);
  return noteStep(ctx, ref, "plan", async (run): Promise<Confirmed> => ({
    state: run.status === "awaiting_approval" ? "waiting" : "ready",
    chunkCount: run.chunkStarts.length,
  }));
}

/** Looks whether a restore was decided on; one whose time is over expires. */
export async function readDecision(ctx: RestoreContext, ref: RunRef) {
  return noteStep(
    ctx,
    ref,
    "await-approval",
    async (run): Promise<{ state: "waiting" | "ready" | "over" }> => {
      if (run.status === "running") return { state: "ready" };
      if ((run.approvalExpiresAt as Date).getTime() > Date.now()) return { state: "waiting" };
      await updateRun(ctx.db, run.id, ["awaiting_approval"], { status: "expired", endedAt: sqlNow });
      return { state: "over" };
    },
  );
}
