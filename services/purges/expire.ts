import { endPurge, overduePurges } from "../../db/queries/purges.ts";
import { resolveAlert } from "../alerts/raise.ts";
import { inTransaction, type WorkerContext } from "../context.ts";
import { WAITING } from "./propose.ts";

/** Ends proposals that nobody decided within 30 days; their files come up again in the next one. */
export async function expirePurges(ctx: WorkerContext): Promise<{ expired: number }> {
  const overdue = await overduePurges(ctx.db);
  for (const { id } of overdue) {
    await inTransaction(ctx, async (inner) => {
      const ended = await endPurge(inner.db, id, ["awaiting_approval"], { status: "expired" });
      if (ended) await resolveAlert(inner, "purge.waiting", WAITING);
    });
  }
  return { expired: overdue.length };
}
