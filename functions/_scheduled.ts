import { cron } from "inngest";
import type { GetStepTools, Inngest } from "inngest";
import { requestEvents } from "../lib/events.ts";
import { schedules, type ScheduleId } from "../lib/schedules.ts";
import type { WorkerContext } from "../services/context.ts";
import { beginRun, finishRun } from "../services/jobs/track.ts";
import { workerContext, type Runtime } from "../services/runtime.ts";

const RETRIES = 4;

export type Step = GetStepTools<Inngest>;

/**
 * A workflow that the clock starts, or an operator by hand. Its run is noted before the first step and after the last;
 * `steps` holds named steps only, each one idempotent call.
 */
export function scheduledJob(
  runtime: Runtime,
  jobId: ScheduleId,
  steps: (step: Step, ctx: WorkerContext) => Promise<Record<string, unknown>>,
) {
  const schedule = schedules.find((one) => one.id === jobId);
  const triggers = [cron(`TZ=UTC ${schedule?.cron}`), requestEvents[jobId]];
  return runtime.inngest.createFunction(
    { id: jobId, triggers, retries: RETRIES, concurrency: { limit: 1 } },
    async ({ event, step, runId }) => {
      const ctx = workerContext(runtime);
      const requestedRunId = (event.data as { runId?: string } | undefined)?.runId ?? null;
      const run = await step.run("begin", () => beginRun(ctx, { jobId, engineRunId: runId, requestedRunId }));
      if (run.runId === null) return { skipped: true };
      const result = await steps(step, ctx);
      await step.run("finish", () => finishRun(ctx, { jobId, runId: run.runId as string, result }));
      return result;
    },
  );
}
