import { deleteDueTrails as queryDelete } from "../../db/queries/trail-upkeep.ts";
import type { WorkerContext } from "../context.ts";

const DELETE_TRAILS_MAX = 1_000;

/** Deletes trails past their project's retention that are rolled up, `limit` at most; returns how many. */
export async function deleteDueTrails(ctx: WorkerContext, limit = DELETE_TRAILS_MAX): Promise<number> {
  return queryDelete(ctx.db, limit);
}
