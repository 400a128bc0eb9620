import type { TrailRow } from "../../db/queries/trail-row.ts";
import { findTrails } from "../../db/queries/trails.ts";
import { requireProject, type Context } from "../context.ts";
import { notFound, ServiceError } from "../errors.ts";

/**
 * The one trail with this message id that the key sees. Throws `not_found` when it sees none, and `conflict` (409) when
 * several of its projects have this id and none is named.
 */
export async function findOneTrail(
  ctx: Context,
  messageId: string,
  projectId: string | undefined,
): Promise<TrailRow> {
  if (projectId !== undefined) requireProject(ctx, projectId);
  const projectIds = projectId === undefined ? ctx.principal.projects : [projectId];
  const [row, another] = await findTrails(ctx.db, messageId, projectIds);
  if (!row) throw notFound("trail");
  if (another) {
    throw new ServiceError(
      "conflict",
      "Several projects have a trail with this message id; name one with ?projectId=.",
      { errors: [{ path: "query.projectId", code: "ambiguous", message: "Name the project." }] },
    );
  }
  return row;
}
