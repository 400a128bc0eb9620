import { sideEffectsRequested } from "../lib/events.ts";
import { beginRepeat } from "../services/restore/begin-repeat.ts";
import { endRepeat } from "../services/restore/end-repeat.ts";
import { sideEffectsAgain } from "../services/restore/side-effects.ts";
import { restoreContext, type Runtime } from "../services/runtime.ts";
import { sideEffects } from "./_side-effects.ts";
import { safeSteps } from "./_steps.ts";

const ID = "repeat-side-effects";
const RETRIES = 10;

/** When somebody asks for the side effects of a restore again; a repeated step flushes and enqueues nothing twice. */
export const repeatSideEffects = (runtime: Runtime) =>
  runtime.inngest.createFunction(
    { id: ID, triggers: [sideEffectsRequested], retries: RETRIES },
    async ({ event, step: engine }) => {
      const step = safeSteps(engine, runtime, ID);
      const ctx = restoreContext(runtime);
      await step.run("begin", () => beginRepeat(ctx, event.data));
      const effects = await sideEffects(step, (name, after) =>
        sideEffectsAgain(ctx, event.data, name, after),
      );
      await step.run("end", () => endRepeat(ctx, ID));
      return effects;
    },
  );
