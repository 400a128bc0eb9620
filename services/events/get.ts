import { findEvent } from "../../db/queries/events.ts";
import { requireScope, type Context } from "../context.ts";
import { notFound } from "../errors.ts";
import { toEvent, type Event } from "./event.ts";
import { recordRead } from "./record-read.ts";

/** One event by its id; `not_found` when it is another tenant's, or deleted and not asked for as such. */
export async function getEvent(ctx: Context, id: string, includeDeleted: boolean): Promise<Event> {
  requireScope(ctx, "events:read");
  const row = await findEvent(ctx.db, id, { workspaceIds: ctx.principal.workspaces, includeDeleted });
  if (!row) throw notFound("event");
  await recordRead(ctx, "event", { id, workspaceId: row.workspaceId });
  return toEvent(row);
}
