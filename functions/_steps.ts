import type { GetStepTools, Inngest } from "inngest";
import { safeError, type Logger } from "../lib/logger.ts";
import type { Tracing } from "../lib/tracing.ts";
import { StepFailure } from "../services/errors.ts";

const MS_PER_S = 1_000;

/** What a workflow's body may do: named steps whose results are JSON. */
export interface Steps {
  run<T>(id: string, action: () => Promise<T>): Promise<T>;
  /** Nothing runs meanwhile, and no process has to live as long. */
  sleep(id: string, seconds: number): Promise<void>;
  /** Until an event with this subject comes, or the time is over. */
  waitForSubject(id: string, event: string, subjectId: string, seconds: number): Promise<void>;
}

/**
 * Steps whose errors can leave the service: the engine stores and shows an error's message, and those of a database
 * quote values. The log keeps where it arose, the engine gets the kind and the code. Each step that runs is a span of its
 * workflow; one whose result the engine has already is none.
 */
export function safeSteps(
  engine: GetStepTools<Inngest>,
  { log, tracing }: { log: Logger; tracing: Tracing },
  workflow: string,
): Steps {
  return {
    run: async <T>(id: string, action: () => Promise<T>) => {
      const attributes = { "afterimage.workflow": workflow, "afterimage.step": id };
      const span = { name: `step ${workflow} ${id}`, kind: "internal", attributes } as const;
      const guarded = () =>
        tracing.span(span, action).catch((error: unknown) => {
          log.error({ step: id, error: safeError(error) }, "step failed");
          throw new StepFailure(error);
        });
      // Our steps return plain JSON, which the engine gives back as it was.
      return (await engine.run(id, guarded)) as T;
    },
    sleep: (id, seconds) => engine.sleep(id, seconds * MS_PER_S),
    waitForSubject: async (id, event, subjectId, seconds) => {
      // The expression is the engine's; our ids hold no quote.
      const match = `async.data.subjectId == '${subjectId}'`;
      await engine.waitForEvent(id, { event, if: match, timeout: seconds * MS_PER_S });
    },
  };
}
