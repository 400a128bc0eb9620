import type { NotificationKind } from "../../db/queries/notifications.ts";
import type { TransactionContext } from "../context.ts";
import { requestWorkflow } from "../requests/request-workflow.ts";

/** Asks for a message about an alert on every channel, in the caller's transaction; returns the request's id. */
export async function requestMessage(
  ctx: TransactionContext,
  alertId: string,
  kind: NotificationKind,
): Promise<string> {
  const requestId = crypto.randomUUID();
  await requestWorkflow(ctx, {
    eventId: requestId,
    eventName: "audit/alert.notify",
    data: { requestId, alertId, kind },
  });
  return requestId;
}
