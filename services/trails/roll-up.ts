import { rollUpTrails as queryRollUp } from "../../db/queries/trail-upkeep.ts";
import type { WorkerContext } from "../context.ts";

/** Counts new and changed trails of closed 15-minute buckets, `limit` at most; returns how many. Repeating is harmless. */
export async function rollUpTrails(ctx: WorkerContext, limit: number): Promise<number> {
  return queryRollUp(ctx.db, limit);
}
