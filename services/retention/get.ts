import { findPolicy } from "../../db/queries/retention.ts";
import { requireScope, requireWorkspace, type Context } from "../context.ts";
import { notFound } from "../errors.ts";
import { toPolicy, type Policy } from "./policy.ts";

/** How long a workspace's events stay where; `not_found` before its first event, and for another tenant's. */
export async function getRetention(ctx: Context, workspaceId: string): Promise<Policy> {
  requireScope(ctx, "retention:read");
  requireWorkspace(ctx, workspaceId, "path.workspaceId");
  const row = await findPolicy(ctx.db, workspaceId);
  if (!row) throw notFound("workspace", "path.workspaceId");
  return toPolicy(row);
}
