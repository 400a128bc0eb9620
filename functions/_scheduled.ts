import { cron } from "inngest";
import { requestEvents } from "../lib/events.ts";
import { schedules, type ScheduleId } from "../lib/schedules.ts";
import type { WorkerContext } from "../services/context.ts";
import { beginRun, finishRun } from "../services/jobs/track.ts";
import { workerContext, type Runtime } from "../services/runtime.ts";
import { safeSteps, type Steps } from "./_steps.ts";

const RETRIES = 4;

/**
 * A workflow that the clock starts, or an operator by hand. Its run is noted before the first step and after the last;
 * `work` holds named steps only, each one idempotent call.
 */
export function scheduledJob(
  runtime: Runtime,
  jobId: ScheduleId,
  work: (step: Steps, ctx: WorkerContext, runId: string) => Promise<Record<string, unknown>>,
) {
  const schedule = schedules.find((one) => one.id === jobId);
  const clock = runtime.quiet ? [] : [cron(`TZ=UTC ${schedule?.cron}`)];
  const triggers = [...clock, requestEvents[jobId]];
  return runtime.inngest.createFunction(
    { id: jobId, triggers, retries: RETRIES, concurrency: { limit: 1 } },
    async ({ event, step: engine, runId: engineRunId }) => {
      const ctx = workerContext(runtime);
      const step = safeSteps(engine, runtime, jobId);
      const requestedRunId = (event.data as { runId?: string } | undefined)?.runId ?? null;
      const run = await step.run("begin", () => beginRun(ctx, { jobId, engineRunId, requestedRunId }));
      const { runId } = run;
      if (runId === null) return { skipped: true };
      const result = await work(step, ctx, runId);
      await step.run("finish", () => finishRun(ctx, { jobId, runId, result }));
      return result;
    },
  );
}
