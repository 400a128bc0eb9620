import { approvalDecided, type restoreRequested, type rollbackRequested } from "../lib/events.ts";
import { applyRestoreChunk } from "../services/restore/apply.ts";
import { completeRestore, type Course } from "../services/restore/complete.ts";
import { confirmPlan, readDecision } from "../services/restore/confirm.ts";
import type { RestoreContext } from "../services/restore/context.ts";
import { logIntent } from "../services/restore/log-intent.ts";
import type { RunRef } from "../services/restore/note-step.ts";
import { sideEffectsOfRun } from "../services/restore/side-effects.ts";
import { snapshotRows } from "../services/restore/snapshot.ts";
import { verifyRestore } from "../services/restore/verify.ts";
import { restoreContext, type Runtime } from "../services/runtime.ts";
import { sideEffects } from "./_side-effects.ts";
import { safeSteps, type Steps } from "./_steps.ts";

const RETRIES = 10;
const WAIT_S = 3 * 3_600;
/** How soon a decision is looked for if its event came before the wait began, then every three hours for a week; none may wait longer. */
const WAITS_S = [5, 60, 300, 900, ...Array.from({ length: 56 }, () => WAIT_S)];
const SETTLE_S = 3;
const SUPERSEDED = { state: "superseded" } as const;

/**
 * Carries a restore out. Each step is one idempotent call that is written down; each chunk is one transaction that also marks
 * it, so a repeated step changes nothing. It ends early where the run was resumed or abandoned by somebody else.
 */
export const restoreWorkflow = (
  runtime: Runtime,
  id: string,
  trigger: typeof restoreRequested | typeof rollbackRequested,
) =>
  runtime.inngest.createFunction(
    { id, triggers: [trigger], retries: RETRIES },
    async ({ event, step: engine }) => {
      const step = safeSteps(engine, runtime, id);
      const ctx = restoreContext(runtime);
      const ref = event.data;
      const plan = await step.run("plan", () => confirmPlan(ctx, ref));
      if (plan.state === "superseded") return SUPERSEDED;
      if (plan.state === "waiting" && !(await isApproved(step, ctx, ref))) return { state: "not approved" };
      const snapshot = await step.run("snapshot", () => snapshotRows(ctx, ref));
      if (snapshot.state === "superseded") return SUPERSEDED;
      const intent = await step.run("log-intent", () => logIntent(ctx, ref));
      if (intent.state === "superseded") return SUPERSEDED;

      const course: Course = { stop: null, verification: null, effects: {} };
      let applied = 0;
      for (let chunk = 1; chunk <= plan.chunkCount && course.stop === null; chunk++) {
        const outcome = await step.run(`apply-${chunk}`, () => applyRestoreChunk(ctx, ref, chunk));
        if (outcome.state === "superseded") return SUPERSEDED;
        if (outcome.state === "done") applied += outcome.applied;
        else course.stop = outcome;
      }
      if (applied > 0) {
        const effects = await sideEffects(step, (name, after) => sideEffectsOfRun(ctx, ref, name, after));
        if (effects === null) return SUPERSEDED;
        course.effects = effects;
        // Who reads a row a moment later reads the restored one, and fills the cache with that.
        if (effects["flush-caches"]?.count) await step.sleep("settle", SETTLE_S);
        const verification = await step.run("verify", () => verifyRestore(ctx, ref));
        if ("state" in verification) return SUPERSEDED;
        course.verification = verification;
      }
      return step.run("complete", () => completeRestore(ctx, ref, course));
    },
  );

async function isApproved(step: Steps, ctx: RestoreContext, ref: RunRef): Promise<boolean> {
  for (const [i, wait] of WAITS_S.entries()) {
    const n = i + 1;
    const decision = await step.run(`await-approval-${n}`, () => readDecision(ctx, ref));
    if (decision.state !== "waiting") return decision.state === "ready";
    await step.waitForSubject(`wait-decision-${n}`, approvalDecided.name, ref.restoreId, wait);
  }
  return false;
}
