import { tellingFaults } from "../cold/faults.ts";
import { requireScope } from "../context.ts";
import { notFound } from "../errors.ts";
import { toEvent, type Event } from "./event.ts";
import { findEvent } from "./find.ts";
import type { ReadContext } from "./list.ts";
import { recordRead } from "./record-read.ts";

/** One event by its id; `not_found` when it is another tenant's, or deleted and not asked for as such. */
export async function getEvent(ctx: ReadContext, id: string, includeDeleted: boolean): Promise<Event> {
  requireScope(ctx, "events:read");
  const { workspaces: workspaceIds } = ctx.principal;
  const row = await tellingFaults(ctx, () => findEvent(ctx, id, { workspaceIds, includeDeleted }));
  if (!row) throw notFound("event");
  await recordRead(ctx, "event", { id, workspaceId: row.workspaceId });
  return toEvent(row);
}
