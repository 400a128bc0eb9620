import type { z } from "zod";
import { STEPS } from "../../db/queries/trail-row.ts";
import { updateTrail } from "../../db/queries/trails-write.ts";
import { requireScope, type Context } from "../context.ts";
import { ServiceError } from "../errors.ts";
import { holdAmount } from "./amounts.ts";
import { findOneTrail } from "./find-one.ts";
import { orPinned } from "./pinned.ts";
import { newTrail, requireSame, toTrail, toValues, type Trail } from "./trail.ts";

export const trailPatch = newTrail
  .omit({ timestamp: true })
  .partial()
  .refine(
    ({ projectId: _p, messageId: _m, ...fields }) => Object.keys(fields).length > 0,
    "must name at least one field to change",
  )
  .meta({ id: "TrailPatch" });
type TrailPatch = z.infer<typeof trailPatch>;

/**
 * Changes the named fields of a trail; null clears one, but no digest; tokens and cost are replaced as a whole. Without a
 * status, tokens and cost together, or an amount above 0, complete a placeholder. Throws as findOneTrail, and `conflict`
 * (409) where the status would step back (placeholder, failed, complete), or a digest change.
 */
export async function patchTrail(
  ctx: Context,
  messageId: string,
  projectId: string | undefined,
  input: TrailPatch,
): Promise<Trail> {
  requireScope(ctx, "trails:write");
  requireSame("messageId", input.messageId, messageId);
  requireSame("projectId", input.projectId, projectId);
  const found = await findOneTrail(ctx, messageId, projectId);
  const both = input.tokens !== undefined && input.cost !== undefined;
  const completes = both || holdAmount(input.tokens, input.cost);
  const changed = await updateTrail(ctx.db, found, toValues(input), completes).catch((error: unknown) => {
    throw orPinned(error);
  });
  if (changed) {
    ctx.afterCommit(async () => ctx.counts.trails(1));
    return toTrail(changed);
  }
  const stands = await findOneTrail(ctx, messageId, found.projectId);
  if (input.status && STEPS.indexOf(input.status) < STEPS.indexOf(stands.status)) {
    const message = `This trail is ${stands.status}; its status cannot step back to ${input.status}.`;
    throw new ServiceError("conflict", message, {
      errors: [{ path: "body.status", code: "step_back", message: `must not be ${input.status} any more` }],
    });
  }
  return toTrail(stands);
}
