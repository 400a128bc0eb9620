import { watchPrices } from "../services/trails/watch-prices.ts";
import { rollUpTrails } from "../services/trails/roll-up.ts";
import type { Runtime } from "../services/runtime.ts";
import { scheduledJob } from "./_scheduled.ts";
import type { Steps } from "./_steps.ts";
import type { WorkerContext } from "../services/context.ts";

const BATCH_TRAILS = 5_000;
const BATCHES_MAX = 100;

/**
 * Hourly. Counts trails of closed 15-minute buckets, then alerts of models without a price; a retried batch finds its trails
 * counted and goes on.
 */
export const trailRollup = (runtime: Runtime) =>
  scheduledJob(runtime, "trail-rollup", async (step, ctx) => {
    const rolled = await rollUp(step, ctx);
    const { unpricedModels } = await step.run("watch-prices", () => watchPrices(ctx));
    return { ...rolled, unpricedModels };
  });

/** The same steps open the nightly clean-up, which deletes nothing that is not rolled up. */
export async function rollUp(step: Steps, ctx: WorkerContext) {
  let rolledUpCount = 0;
  for (let n = 1; n <= BATCHES_MAX; n++) {
    const count = await step.run(`roll-up-${n}`, () => rollUpTrails(ctx, BATCH_TRAILS));
    rolledUpCount += count;
    if (count < BATCH_TRAILS) return { rolledUpCount, rollUpRemains: false };
  }
  return { rolledUpCount, rollUpRemains: true };
}
