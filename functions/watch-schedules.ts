import { alertLateSchedules, failStuckRuns } from "../services/jobs/watch.ts";
import { resendWaiting } from "../services/requests/resend-waiting.ts";
import { sweepIdempotencyKeys } from "../services/requests/sweep-idempotency-keys.ts";
import type { Runtime } from "../services/runtime.ts";
import { scheduledJob } from "./_scheduled.ts";

const BATCH_KEYS = 20_000;
const BATCHES_MAX = 100;

/** Every 15 minutes. The dead-man's switch of every schedule, and what no workflow has picked up; repeating is harmless. */
export const watchSchedules = (runtime: Runtime) =>
  scheduledJob(runtime, "watch-schedules", async (step, ctx) => {
    const { sent } = await step.run("resend-waiting", () => resendWaiting(ctx));
    const { late } = await step.run("alert-late", () => alertLateSchedules(ctx));
    const { stuck } = await step.run("fail-stuck", () => failStuckRuns(ctx));
    let swept = 0;
    for (let n = 1, count = BATCH_KEYS; count === BATCH_KEYS && n <= BATCHES_MAX; n++) {
      count = await step.run(`sweep-idempotency-keys-${n}`, () => sweepIdempotencyKeys(ctx, BATCH_KEYS));
      swept += count;
    }
    return { sent, late, stuck, swept };
  });
