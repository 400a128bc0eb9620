import { RETRY_DELAYS_S } from "../lib/delivery.ts";
import { alertNotify } from "../lib/events.ts";
import { kindOf } from "../services/alerts/channels.ts";
import { deliver } from "../services/alerts/deliver.ts";
import { pickUp, planMessages, type PlannedMessage } from "../services/alerts/plan-messages.ts";
import { QUIET_S, resolveAlert } from "../services/alerts/raise.ts";
import { alertingContext, type Runtime } from "../services/runtime.ts";
import { safeSteps, type Steps } from "./_steps.ts";

const ID = "notify-alert";
const RETRIES = 10;

/**
 * When there is news of an alert. Each channel gets one message, tried again by the schedule of lib/delivery.ts until
 * it arrives; a repeated step finds what it has sent. A resolved message waits first whether the trouble comes back.
 */
export const notifyAlert = (runtime: Runtime) =>
  runtime.inngest.createFunction(
    { id: ID, triggers: [alertNotify], retries: RETRIES },
    async ({ event, step: engine }) => {
      const ctx = alertingContext(runtime);
      const step = safeSteps(engine, runtime, ID);
      if (event.data.kind === "resolved") {
        await step.run("pick-up", () => pickUp(ctx, event.data));
        await step.sleep("wait-quiet", QUIET_S);
      }
      const messages = await step.run("plan", () => planMessages(ctx, event.data));
      const ends = await Promise.allSettled(messages.map((message) => send(step, ctx, message)));
      const failed = ends.find((end) => end.status === "rejected");
      if (failed) throw failed.reason;
      await step.run("finish", () => resolveAlert(ctx, "job.failed", ID));
      return { delivered: ends.filter((end) => end.status === "fulfilled" && end.value).length };
    },
  );

/** Whether the message arrived. Channels wait side by side: one that is down holds up no other. */
async function send(
  step: Steps,
  ctx: ReturnType<typeof alertingContext>,
  message: PlannedMessage,
): Promise<boolean> {
  const kind = kindOf(message.channel);
  const waits = message.isTest ? [] : RETRY_DELAYS_S;
  for (const [i, wait] of [...waits, null].entries()) {
    const n = i + 1;
    const delivery = await step.run(`attempt-${kind}-${n}`, () =>
      deliver(ctx, message, { isLast: wait === null }),
    );
    if (typeof delivery === "string" || wait === null) return delivery === "delivered";
    await step.sleep(`wait-${kind}-${n}`, Math.max(wait, delivery.retryAfterSeconds));
  }
  return false;
}
