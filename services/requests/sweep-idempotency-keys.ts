import { sweepKeys } from "../../db/queries/idempotency.ts";
import type { WorkerContext } from "../context.ts";

const KEYS_MAX = 20_000;

/** Removes kept answers older than 24 hours, 20,000 at most in one go. */
export async function sweepIdempotencyKeys(ctx: WorkerContext): Promise<{ swept: number }> {
  return { swept: await sweepKeys(ctx.db, KEYS_MAX) };
}
