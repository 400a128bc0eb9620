import { runRequester } from "../services/purges/requester.ts";
import { proposePurge } from "../services/purges/propose.ts";
import { coldContext, type Runtime } from "../services/runtime.ts";
import { scheduledJob } from "./_scheduled.ts";

/**
 * Monthly, on the 1st at 03:00 UTC. Proposes to remove the cold files that are past their retention and removes nothing: an
 * approval starts purge-files. While a proposal waits, repeating it proposes nothing.
 */
export const purgeCold = (runtime: Runtime) =>
  scheduledJob(runtime, "purge-cold", async (step, _ctx, runId) => {
    const ctx = coldContext(runtime);
    return step.run("propose", async () => proposePurge(ctx, await runRequester(ctx, runId)));
  });
