import { notePickedUp } from "../../db/queries/requests.ts";
import { reopenFlushes } from "../../db/queries/restore-effects.ts";
import type { RestoreContext } from "./context.ts";
import { expireRestore } from "./expire.ts";
import { noteStep, type RunRef } from "./note-step.ts";

interface Confirmed {
  state: "waiting" | "ready";
  chunkCount: number;
}

/** The first step: notes that the run was picked up, and whether it waits for an approval. */
export async function confirmPlan(ctx: RestoreContext, ref: RunRef & { requestId: string }) {
  await notePickedUp(ctx.db, ref.requestId);
  return noteStep(ctx, ref, "plan", async (run): Promise<Confirmed> => {
    // Chunks that are still to come may concern the same cache keys.
    if (run.epoch > 1) await reopenFlushes(ctx.db, run.id);
    return {
      state: run.status === "awaiting_approval" ? "waiting" : "ready",
      chunkCount: run.chunkStarts.length,
    };
  });
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
      await expireRestore(ctx, run);
      return { state: "over" };
    },
  );
}
