import { rollUpTrails as queryRollUp } from "../../db/queries/trail-upkeep.ts";
import type { WorkerContext } from "../context.ts";

const ROLL_UP_TRAILS_MAX = 5_000;

/** Counts new and changed trails of closed 15-minute buckets, `limit` at most; returns how many. Repeating is harmless. */
export async function rollUpTrails(ctx: WorkerContext, limit = ROLL_UP_TRAILS_MAX): Promise<number> {
  return queryRollUp(ctx.db, limit);
}
