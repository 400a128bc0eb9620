import { eventType } from "inngest";
import { z } from "zod";

const jobRequested = z.object({ runId: z.string() });

/** Events that start workflows by hand, one per schedule. `runId` is the job run's id and the event's own id. */
export const trailRollupRequested = eventType("audit/trail-rollup.requested", { schema: jobRequested });
export const trailCleanupRequested = eventType("audit/trail-cleanup.requested", { schema: jobRequested });
export const partitionsRequested = eventType("audit/create-partitions.requested", { schema: jobRequested });
export const watchRequested = eventType("audit/watch-schedules.requested", { schema: jobRequested });

/** The engine's own event when a run has used up its retries. */
export const functionFailed = eventType("inngest/function.failed", {
  schema: z.object({
    function_id: z.string(),
    run_id: z.string(),
    error: z.object({ name: z.string().optional(), message: z.string().optional() }).loose().optional(),
  }),
});
