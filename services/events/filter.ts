import { z } from "zod";
import type { EventFilter } from "../../db/queries/events.ts";
import { requireWorkspace, type Context } from "../context.ts";
import { callerId, flag, limit, since, text, time } from "../inputs.ts";
import { TAG_LENGTH_MAX } from "./event.ts";

const TEXT_LENGTH_MIN = 2;
const TEXT_LENGTH_MAX = 200;

/** What events can be asked for by; lists and exports share it. */
export const eventCriteria = z.strictObject({
  workspaceId: callerId.optional(),
  actorId: callerId.optional().describe("Who did it (createdByUserId)."),
  actionType: callerId.optional().describe("A trailing * means a prefix: `invoice.*`, `TEST_*`."),
  resourceType: callerId.optional(),
  resourceId: callerId.optional(),
  tag: text(1, TAG_LENGTH_MAX).optional(),
  from: since.optional().describe("createdAt at or after."),
  to: time.optional().describe("createdAt before."),
  text: text(TEXT_LENGTH_MIN, TEXT_LENGTH_MAX)
    .optional()
    .describe("Somewhere in the event, upper or lower case alike. Name a workspace or a time with it."),
  includeDeleted: flag.optional(),
});
type EventCriteria = z.infer<typeof eventCriteria>;

export const eventQuery = eventCriteria.extend({
  limit,
  cursor: z.string().optional(),
  includeTotal: flag.optional(),
});
export type EventQuery = z.infer<typeof eventQuery>;

/** The filter within what the key may see. Throws `not_found` for a workspace that it does not. */
export function toFilter(ctx: Context, criteria: EventCriteria): EventFilter {
  const { workspaceId, actionType, includeDeleted, ...rest } = criteria;
  if (workspaceId !== undefined) requireWorkspace(ctx, workspaceId, "query.workspaceId");
  return {
    ...rest,
    workspaceIds: workspaceId !== undefined ? [workspaceId] : ctx.principal.workspaces,
    actionType: actionType === undefined ? undefined : toActionMatch(actionType),
    includeDeleted: includeDeleted ?? false,
  };
}

const toActionMatch = (actionType: string) =>
  actionType.endsWith("*") ? { prefix: actionType.slice(0, -1) } : { exact: actionType };
