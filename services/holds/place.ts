import { insertHold } from "../../db/queries/holds.ts";
import { setActor } from "../../db/queries/rows.ts";
import { requireScope, requireWorkspace, type Context } from "../context.ts";
import { invalidField } from "../errors.ts";
import { toHold, type Hold, type NewHold } from "./hold.ts";

/**
 * Keeps a workspace, a resource or a person's records from being deleted, by whatever deletes, until it is released. All that
 * the hold names has to fit. A key that is limited to workspaces must name one of them.
 */
export async function placeHold(ctx: Context, input: NewHold): Promise<Hold> {
  requireScope(ctx, "holds:manage");
  const { workspaceId, resourceType, resourceId, subjectUserId, reason } = input;
  if (workspaceId !== undefined) requireWorkspace(ctx, workspaceId, "body.workspaceId");
  else if (ctx.principal.workspaces !== null) {
    throw invalidField("body.workspaceId", "workspace_missing", "must be one of this key's workspaces");
  }
  if (resourceId !== undefined && resourceType === undefined) {
    throw invalidField("body.resourceType", "type_missing", "must be given with resourceId");
  }
  if ((workspaceId ?? resourceType ?? subjectUserId) === undefined) {
    throw invalidField("body", "names_nothing", "must name a workspace, a resource or a user");
  }
  return ctx.db.transaction(async (tx) => {
    await setActor(tx, { userId: ctx.principal.userId, requestId: ctx.requestId });
    const placed = { workspaceId, resourceType, resourceId, subjectUserId, reason };
    return toHold(await insertHold(tx, { ...placed, placedByUserId: ctx.principal.userId }));
  });
}
