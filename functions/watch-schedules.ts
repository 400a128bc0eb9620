import { remindOfAlerts } from "../services/alerts/remind.ts";
import { resolvePastAlerts } from "../services/alerts/resolve-past.ts";
import { recheckAway, recheckDamaged } from "../services/cold/recheck.ts";
import { alertCapture } from "../services/history/watch-capture.ts";
import { alertLateSchedules, failStuckRuns } from "../services/jobs/watch.ts";
import { alertOpenGuards } from "../services/readiness/watch-guards.ts";
import { resendWaiting } from "../services/requests/resend-waiting.ts";
import { expirePurges } from "../services/purges/expire.ts";
import { expireApprovals } from "../services/restore/expire.ts";
import { alertSilentRestores, sweepExpiredPlans } from "../services/restore/watch.ts";
import { sweepIdempotencyKeys } from "../services/requests/sweep-idempotency-keys.ts";
import { alertingContext, coldContext, type Runtime } from "../services/runtime.ts";
import { scheduledJob } from "./_scheduled.ts";

const BATCH_KEYS = 20_000;
const BATCHES_MAX = 100;

/**
 * Every 15 minutes: the dead-man's switch of every schedule, and of all else that nobody would notice. It tells of stuck runs,
 * silent restores, open guards, capture that is off and damaged cold files, sends what no workflow has picked up, reminds of
 * open alerts, and ends what is past (approvals, purges, plans, alerts, kept answers). Repeating is harmless.
 */
export const watchSchedules = (runtime: Runtime) =>
  scheduledJob(runtime, "watch-schedules", async (step, ctx) => {
    const { sent } = await step.run("resend-waiting", () => resendWaiting(ctx));
    const { late } = await step.run("alert-late", () => alertLateSchedules(ctx));
    const { stuck } = await step.run("fail-stuck", () => failStuckRuns(ctx));
    const { open } = await step.run("alert-open-guards", () => alertOpenGuards(ctx));
    const { silent } = await step.run("alert-silent-restores", () => alertSilentRestores(ctx));
    await step.run("expire-approvals", () => expireApprovals(ctx));
    await step.run("expire-purges", () => expirePurges(ctx));
    await step.run("sweep-expired-plans", () => sweepExpiredPlans(ctx));
    const capture = await step.run("alert-capture", () => alertCapture(ctx));
    const { resolved } = await step.run("resolve-past-alerts", () =>
      resolvePastAlerts(alertingContext(runtime)),
    );
    await step.run("recheck-away", () => recheckAway(coldContext(runtime)));
    await step.run("recheck-damaged", () => recheckDamaged(coldContext(runtime)));
    const { reminded } = await step.run("remind", () => remindOfAlerts(ctx));
    let swept = 0;
    for (let n = 1, count = BATCH_KEYS; count === BATCH_KEYS && n <= BATCHES_MAX; n++) {
      count = await step.run(`sweep-idempotency-keys-${n}`, () => sweepIdempotencyKeys(ctx, BATCH_KEYS));
      swept += count;
    }
    return { sent, late, stuck, open, capture, silent, resolved, reminded, swept };
  });
