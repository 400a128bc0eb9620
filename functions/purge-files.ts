import { purgeApproved } from "../lib/events.ts";
import { completePurge, pickUpPurge, purgeFile } from "../services/purges/carry-out.ts";
import { coldContext, type Runtime } from "../services/runtime.ts";
import { safeSteps } from "./_steps.ts";

const ID = "purge-files";
const RETRIES = 10;

/**
 * When somebody approved a purge: a step per file, each marked and logged before its object goes. A repeated step finds its
 * file marked; a file that is held by now stays.
 */
export const purgeFiles = (runtime: Runtime) =>
  runtime.inngest.createFunction(
    { id: ID, triggers: [purgeApproved], retries: RETRIES },
    async ({ event, step: engine }) => {
      const step = safeSteps(engine, runtime, ID);
      const ctx = coldContext(runtime);
      const ref = event.data;
      const { files } = await step.run("pick-up", () => pickUpPurge(ctx, ref));
      const report = { purged: 0, held: 0, notDue: 0 };
      for (const [i, file] of files.entries()) {
        const end = await step.run(`purge-${i + 1}`, () => purgeFile(ctx, ref, file));
        report[end === "not due" ? "notDue" : end]++;
      }
      return step.run("log", () => completePurge(ctx, ref, report));
    },
  );
