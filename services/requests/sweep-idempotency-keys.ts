import { sweepKeys } from "../../db/queries/idempotency.ts";
import type { WorkerContext } from "../context.ts";

/** Removes kept answers older than 24 hours, `limit` at most; returns how many. */
export async function sweepIdempotencyKeys(ctx: WorkerContext, limit: number): Promise<number> {
  return sweepKeys(ctx.db, limit);
}
