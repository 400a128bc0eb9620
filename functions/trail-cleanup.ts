import { deleteDueTrails } from "../services/trails/delete-due.ts";
import { deleteTrailsOfDeletedProjects } from "../services/trails/delete-of-deleted-projects.ts";
import type { Runtime } from "../services/runtime.ts";
import { scheduledJob } from "./_scheduled.ts";
import { rollUp } from "./trail-rollup.ts";

const BATCH_TRAILS = 2_000;
const BATCHES_MAX = 80;

/**
 * Daily at 02:00 UTC. Rolls up, then deletes trails past their project's retention and those of deleted projects, batch
 * by batch. A run is bounded and says what remains; a retried batch deletes only what is still there.
 */
export const trailCleanup = (runtime: Runtime) =>
  scheduledJob(runtime, "trail-cleanup", async (step, ctx) => {
    const rolled = await rollUp(step, ctx);
    let deletedCount = 0;
    let remains = true;
    for (let n = 1; remains && n <= BATCHES_MAX; n++) {
      const count = await step.run(`delete-batch-${n}`, () => deleteDueTrails(ctx, BATCH_TRAILS));
      deletedCount += count;
      remains = count === BATCH_TRAILS;
    }
    let projectRemains = true;
    for (let n = 1; projectRemains && n <= BATCHES_MAX; n++) {
      const count = await step.run(`delete-project-batch-${n}`, () =>
        deleteTrailsOfDeletedProjects(ctx, BATCH_TRAILS),
      );
      deletedCount += count;
      projectRemains = count > 0;
    }
    return { ...rolled, deletedCount, remains: remains || projectRemains };
  });
