import { z } from "zod";
import { listHolds as queryHolds } from "../../db/queries/holds.ts";
import { requireScope, requireWorkspace, type Context } from "../context.ts";
import { decodeCursor, encodeCursor, UUID_SHAPE } from "../cursor.ts";
import { callerId, limit } from "../inputs.ts";
import { toHold, type Hold } from "./hold.ts";

export const holdQuery = z.strictObject({
  workspaceId: callerId.optional(),
  status: z.enum(["active", "released"]).optional(),
  limit,
  cursor: z.string().optional(),
});

/** Holds, the newest first; a key that is limited to workspaces sees those that name one of them. */
export async function listHolds(
  ctx: Context,
  { workspaceId, status, limit, cursor }: z.output<typeof holdQuery>,
): Promise<{ items: Hold[]; nextCursor: string | null }> {
  requireScope(ctx, "holds:read");
  if (workspaceId !== undefined) requireWorkspace(ctx, workspaceId, "query.workspaceId");
  const filters = { list: "holds", workspaceId, status };
  const position = decodeCursor(cursor, filters, [UUID_SHAPE]);
  const workspaceIds = workspaceId === undefined ? ctx.principal.workspaces : [workspaceId];
  const found = await queryHolds(
    ctx.db,
    { workspaceIds, status },
    { before: position?.[0], limit: limit + 1 },
  );
  const items = found.slice(0, limit);
  const last = found.length > limit ? items.at(-1) : undefined;
  return { items: items.map(toHold), nextCursor: last ? encodeCursor([last.id], filters) : null };
}
