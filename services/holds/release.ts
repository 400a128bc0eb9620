import { z } from "zod";
import { findHold, releaseHold as queryRelease } from "../../db/queries/holds.ts";
import { setActor } from "../../db/queries/rows.ts";
import { requireScope, type Context } from "../context.ts";
import { notFound, ServiceError } from "../errors.ts";
import { holdReason, toHold, type Hold } from "./hold.ts";

export const holdRelease = z.strictObject({ reason: holdReason.optional() });

/** Ends a hold; it stays on record. `not_found` for another tenant's, `conflict` (409) when it was released before. */
export async function releaseHold(
  ctx: Context,
  id: string,
  { reason }: z.infer<typeof holdRelease>,
): Promise<Hold> {
  requireScope(ctx, "holds:manage");
  return ctx.db.transaction(async (tx) => {
    if (!(await findHold(tx, id, { workspaceIds: ctx.principal.workspaces }))) throw notFound("hold");
    const { userId } = ctx.principal;
    await setActor(tx, { userId, requestId: ctx.requestId });
    const row = await queryRelease(tx, id, { releasedByUserId: userId, releaseReason: reason ?? null });
    if (!row) throw new ServiceError("conflict", "This hold was released before.");
    return toHold(row);
  });
}
