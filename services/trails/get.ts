import { requireScope, type Context } from "../context.ts";
import { findOneTrail } from "./find-one.ts";
import { toTrail, type Trail } from "./trail.ts";

/** One trail by its message id; `projectId` is needed only when several projects have this id. Throws as findOneTrail. */
export async function getTrail(
  ctx: Context,
  messageId: string,
  projectId: string | undefined,
): Promise<Trail> {
  requireScope(ctx, "trails:read");
  return toTrail(await findOneTrail(ctx, messageId, projectId));
}
