import { deleteTrailsOfDeletedProjects as queryDelete } from "../../db/queries/trail-upkeep.ts";
import type { WorkerContext } from "../context.ts";

/** Deletes trails of deleted projects, `limit` at most, and such projects once a call finds no trail; returns how many trails. */
export async function deleteTrailsOfDeletedProjects(ctx: WorkerContext, limit: number): Promise<number> {
  return queryDelete(ctx.db, limit);
}
