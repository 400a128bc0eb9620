import { deleteTrailsOfDeletedProjects as queryDelete } from "../../db/queries/trail-upkeep.ts";
import type { WorkerContext } from "../context.ts";

const DELETE_TRAILS_MAX = 1_000;

/** Deletes trails of deleted projects, `limit` at most, and such projects once a call finds no trail; returns how many trails. */
export async function deleteTrailsOfDeletedProjects(
  ctx: WorkerContext,
  limit = DELETE_TRAILS_MAX,
): Promise<number> {
  return queryDelete(ctx.db, limit);
}
