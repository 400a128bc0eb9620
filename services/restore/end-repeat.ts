import { resolveAlert } from "../alerts/raise.ts";
import type { RestoreContext } from "./context.ts";

/** Closes what was told of a repeat that had failed. */
export async function endRepeat(ctx: RestoreContext, workflow: string): Promise<void> {
  await resolveAlert(ctx, "job.failed", workflow);
}
