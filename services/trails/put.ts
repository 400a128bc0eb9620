import { findProject } from "../../db/queries/projects.ts";
import { upsertTrail } from "../../db/queries/trails-write.ts";
import { findTrails } from "../../db/queries/trails.ts";
import { FOREIGN_KEY_VIOLATION } from "../../lib/sqlstate.ts";
import { requireProject, requireScope, type Context } from "../context.ts";
import { ServiceError } from "../errors.ts";
import { hasSqlstate } from "../postgres-errors.ts";
import { projectBeingDeleted } from "../projects/project.ts";
import { orPinned } from "./pinned.ts";
import { requireSame, toTrail, toValues, withStatus, type NewTrail, type Trail } from "./trail.ts";

const RETRY_AFTER_S = 1;

/**
 * Stores a trail under its message id and answers what is stored then. A status never steps back: a placeholder leaves
 * a failed or complete trail as it is, and a failed one leaves a complete one; among equals the last one wins. Throws
 * `not_found` for a project that the key does not see and `conflict` (409) for one that is being deleted, or for a
 * digest that is another than the stored one.
 */
export async function putTrail(
  ctx: Context,
  messageId: string,
  input: NewTrail,
): Promise<{ trail: Trail; created: boolean }> {
  requireScope(ctx, "trails:write");
  requireSame("messageId", input.messageId, messageId);
  const { projectId } = input;
  requireProject(ctx, projectId);
  const key = { projectId, messageId };
  const trail = withStatus(input);
  const values = { ...toValues(trail), status: trail.status };
  const written = await upsertTrail(ctx.db, key, values, ctx.principal.userId).catch((error: unknown) => {
    // The project was deleted and swept while the statement ran.
    throw hasSqlstate(error, FOREIGN_KEY_VIOLATION) ? projectBeingDeleted() : orPinned(error);
  });
  if (written) {
    ctx.afterCommit(async () => ctx.counts.trails(1));
    return { trail: toTrail(written), created: written.created };
  }
  const [stands] = await findTrails(ctx.db, messageId, [projectId]);
  if (stands) return { trail: toTrail(stands), created: false };
  if ((await findProject(ctx.db, projectId)) === null) throw projectBeingDeleted();
  throw new ServiceError("unavailable", "The trail was cleaned up at this moment; send it again.", {
    retryAfterSeconds: RETRY_AFTER_S,
  });
}
