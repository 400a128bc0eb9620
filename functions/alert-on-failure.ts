import { functionFailed } from "../lib/events.ts";
import { recordFailure } from "../services/jobs/fail.ts";
import { workerContext, type Runtime } from "../services/runtime.ts";
import { safeSteps } from "./_steps.ts";

const ID = "alert-on-failure";
const RETRIES = 10;

/** When any other workflow has used up its retries. Repeating it counts the same alert up. */
export const alertOnFailure = (runtime: Runtime) =>
  runtime.inngest.createFunction(
    { id: ID, triggers: [functionFailed], retries: RETRIES },
    async ({ event, step: engine }) => {
      const { function_id: functionId, run_id: engineRunId, error, event: cause } = event.data;
      // Its own failure would start it again, for ever.
      if (functionId.endsWith(ID)) return { subject: ID };
      const ctx = workerContext(runtime);
      const { runId, restoreId, epoch, requestId = null } = cause?.data ?? {};
      const requestedRunId = runId ?? requestId;
      const isRestore = restoreId !== undefined && epoch !== undefined;
      const restore = isRestore ? { restoreId, epoch, requestId } : null;
      const failure = {
        functionId,
        engineRunId,
        requestedRunId,
        error: error?.message ?? "unknown",
        restore,
      };
      return safeSteps(engine, runtime, ID).run("record", () => recordFailure(ctx, failure));
    },
  );
