import { insertRequest, noteSent } from "../../db/queries/requests.ts";
import type { TransactionContext } from "../context.ts";

/**
 * Asks for a workflow, in a request or within `inTransaction`: the row commits with the caller's writes, the event is
 * sent after. What the engine does not get, or no workflow picks up within 60 s, resendWaiting() sends again under the
 * same id.
 */
export async function requestWorkflow(
  ctx: Pick<TransactionContext, "db" | "send" | "afterCommit">,
  request: { eventId: string; eventName: string; data: Record<string, unknown> },
): Promise<void> {
  await insertRequest(ctx.db, request);
  ctx.afterCommit(async (db) => {
    await ctx.send([{ id: request.eventId, name: request.eventName, data: request.data }]);
    await noteSent(db, request.eventId);
  });
}
