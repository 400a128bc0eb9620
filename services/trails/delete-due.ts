import { deleteDueTrails as queryDelete } from "../../db/queries/trail-upkeep.ts";
import type { WorkerContext } from "../context.ts";

/** Deletes trails past their project's retention that are rolled up, `limit` at most; returns how many. */
export async function deleteDueTrails(ctx: WorkerContext, limit: number): Promise<number> {
  return queryDelete(ctx.db, limit);
}
