import { setPolicy } from "../../db/queries/retention.ts";
import { setActor } from "../../db/queries/rows.ts";
import { requireScope, requireWorkspace, type Context } from "../context.ts";
import { checkPolicy, toPolicy, type NewPolicy, type Policy } from "./policy.ts";

/**
 * Sets how long a workspace's events stay where, also before its first event. A trigger logs the change with what was before,
 * as it does for direct SQL. Throws `invalid_request` where a stage does not follow the one before.
 */
export async function setWorkspaceRetention(
  ctx: Context,
  workspaceId: string,
  input: NewPolicy,
): Promise<Policy> {
  requireScope(ctx, "retention:manage");
  requireWorkspace(ctx, workspaceId, "path.workspaceId");
  checkPolicy(input);
  return ctx.db.transaction(async (tx) => {
    await setActor(tx, { userId: ctx.principal.userId, requestId: ctx.requestId });
    const values = { ...input, complianceReason: input.complianceReason ?? null };
    return toPolicy(await setPolicy(tx, workspaceId, values));
  });
}
