import { countOutcomes } from "../../db/queries/restore-items.ts";
import { countEffectsUp, findRun } from "../../db/queries/restore-runs.ts";
import { requireOperator, type Context } from "../context.ts";
import { notFound, ServiceError } from "../errors.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { requestWorkflow } from "../requests/request-workflow.ts";
import { toRestore, type Restore } from "./run.ts";

/** Flushes the caches and enqueues the jobs of a restore once more, under ids of their own. Throws `conflict` (409) while it runs. */
export async function repeatSideEffects(ctx: Context, id: string): Promise<Restore & { repeat: number }> {
  requireOperator(ctx, "restores:run");
  const run = await findRun(ctx.db, id);
  if (!run || run.status === "planned") throw notFound("restore");
  const { applied } = await countOutcomes(ctx.db, id);
  if (run.endedAt === null || applied === 0) {
    throw new ServiceError("conflict", `This restore has no side effects to repeat: it is ${run.status}.`);
  }
  return ctx.db.transaction(async (tx) => {
    const inner = { ...ctx, db: tx };
    const repeat = await countEffectsUp(tx, id);
    const requestId = crypto.randomUUID();
    await requestWorkflow(inner, {
      eventId: requestId,
      eventName: "audit/restore.side-effects-requested",
      data: { restoreId: id, repeat, requestId },
    });
    await logServiceEvent(inner, "REPEAT_SIDE_EFFECTS", "restore", id, { newValues: { repeat } });
    return { ...toRestore(run), repeat };
  });
}
