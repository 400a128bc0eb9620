import { functionFailed } from "../lib/events.ts";
import { recordFailure } from "../services/jobs/fail.ts";
import { workerContext, type Runtime } from "../services/runtime.ts";

const RETRIES = 10;

/** When any workflow has used up its retries. Repeating it counts the same alert up. */
export const alertOnFailure = (runtime: Runtime) =>
  runtime.inngest.createFunction(
    { id: "alert-on-failure", triggers: [functionFailed], retries: RETRIES },
    async ({ event, step }) => {
      const { function_id: functionId, run_id: engineRunId, error } = event.data;
      return step.run("record", () =>
        recordFailure(workerContext(runtime), {
          functionId,
          engineRunId,
          error: error?.message ?? "unknown",
        }),
      );
    },
  );
