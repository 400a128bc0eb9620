import { digestOf } from "../lib/cleanup-rules.ts";
import { beginRule } from "../services/cleanup/begin-rule.ts";
import { deleteBatch } from "../services/cleanup/delete-batch.ts";
import { endRule } from "../services/cleanup/end-rule.ts";
import { reportCleanup } from "../services/cleanup/report.ts";
import { cleanupContext, type Runtime } from "../services/runtime.ts";
import { scheduledJob } from "./_scheduled.ts";

/** Over all rules; with a run's other steps below the engine's 300. */
const BATCHES_MAX = 200;
const BUSY_MAX = 8;
const BUSY_WAIT_S = 30;

/**
 * Daily at 03:00 UTC. Deletes what the rules of afterimage.config.ts say of the application's own tables, each rule logged
 * before it deletes, batch by batch, every rule its share of a bounded run; what remains is counted and left to the next. A
 * retried batch finds the mark of the one before, and a rule that cannot be carried out holds up no other.
 */
export const retentionCleanup = (runtime: Runtime) =>
  scheduledJob(runtime, "retention-cleanup", async (step, _ctx, runId) => {
    const ctx = cleanupContext(runtime);
    // Kept by the engine: a deployment with other rules in the middle of a run changes no step's name.
    const digests = await step.run("plan", async () => ctx.config.retention.map(digestOf));
    const total = { rules: digests.length, deletedCount: 0, keptCount: 0, remainingCount: 0 };
    let left = BATCHES_MAX;
    let busy = 0;
    for (const [i, digest] of digests.entries()) {
      const ref = { runId, digest };
      const n = i + 1;
      const share = Math.floor(left / (digests.length - i));
      const { batches } = await step.run(`log-rule-${n}`, () => beginRule(ctx, ref, share));
      let isBusy = false;
      for (let batch = 1; batch <= batches; batch++) {
        left--;
        const outcome = await step.run(`delete-rule-${n}-batch-${batch}`, () => deleteBatch(ctx, ref, batch));
        isBusy = outcome === "busy";
        if (outcome === "done" || outcome === "stopped" || (isBusy && busy === BUSY_MAX)) break;
        if (isBusy) await step.sleep(`wait-${++busy}`, BUSY_WAIT_S);
      }
      const end = await step.run(`end-rule-${n}`, () => endRule(ctx, ref, isBusy));
      total.deletedCount += end.deletedCount;
      total.keptCount += end.keptCount;
      total.remainingCount += end.remainingCount;
    }
    const { problems } = await step.run("report", () => reportCleanup(ctx, runId));
    return { ...total, problems };
  });
