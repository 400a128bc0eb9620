import { insertServiceEvent } from "../../db/queries/events-append.ts";
import { SERVICE_WORKSPACE, type Context } from "../context.ts";

interface ServiceEvent {
  workspaceId?: string;
  oldValues?: Record<string, unknown>;
  newValues?: Record<string, unknown>;
  metadata?: Record<string, unknown>;
  /** A natural key: the same event is stored once. */
  eventId?: string;
}

/** Writes down what was done through the service itself; call it in the transaction that does it. */
export async function logServiceEvent(
  ctx: Pick<Context, "db" | "principal" | "requestId">,
  actionType: string,
  resourceType: string,
  resourceId: string,
  event: ServiceEvent = {},
): Promise<void> {
  await insertServiceEvent(ctx.db, {
    action_type: actionType,
    resource_type: resourceType,
    resource_id: resourceId,
    workspace_id: event.workspaceId ?? SERVICE_WORKSPACE,
    created_by_user_id: ctx.principal.userId,
    request_id: ctx.requestId,
    metadata: { keyId: ctx.principal.keyId, ...event.metadata },
    ...(event.oldValues ? { old_values: event.oldValues } : {}),
    ...(event.newValues ? { new_values: event.newValues } : {}),
    ...(event.eventId ? { event_id: event.eventId } : {}),
  });
}
