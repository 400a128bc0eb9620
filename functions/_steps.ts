import type { GetStepTools, Inngest } from "inngest";
import { safeError, type Logger } from "../lib/logger.ts";
import { StepFailure } from "../services/errors.ts";

/** What a workflow's body may do: named steps whose results are JSON. */
export interface Steps {
  run<T>(id: string, action: () => Promise<T>): Promise<T>;
}

/**
 * Steps whose errors can leave the service: the engine stores and shows an error's message, and those of a database
 * quote values. The log keeps where it arose, the engine gets the kind and the code.
 */
export function safeSteps(engine: GetStepTools<Inngest>, log: Logger): Steps {
  return {
    run: async <T>(id: string, action: () => Promise<T>) => {
      const guarded = () =>
        action().catch((error: unknown) => {
          log.error({ step: id, error: safeError(error) }, "step failed");
          throw new StepFailure(error);
        });
      // Our steps return plain JSON, which the engine gives back as it was.
      return (await engine.run(id, guarded)) as T;
    },
  };
}
