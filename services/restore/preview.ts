import { requireOperator, type Context } from "../context.ts";
import { planRestore, type Planning } from "./plan.ts";
import { toRestore, type Restore } from "./run.ts";
import type { PlanRequest } from "./target.ts";

/** What a request gets to plan with: the worker's connection, because the API may not read the application's tables. */
export type PlanningContext = Context & Pick<Planning, "worker" | "config" | "chunkRows" | "limits">;

/** Plans a restore without doing it; the plan can be started for a day. Throws what `planRestore` throws. */
export async function previewRestore(ctx: PlanningContext, request: PlanRequest): Promise<Restore> {
  requireOperator(ctx, "restores:run");
  return toRestore(await planRestore(ctx, request));
}
