import { ensurePartitions, verifyPartitions } from "../services/partitions/ensure.ts";
import type { Runtime } from "../services/runtime.ts";
import { scheduledJob } from "./_scheduled.ts";

/** Daily at 01:00 UTC, the 1st included. Three months lie ahead of every table; making one that is there does nothing. */
export const createPartitions = (runtime: Runtime) =>
  scheduledJob(runtime, "create-partitions", async (step, ctx) => {
    const { added } = await step.run("ensure-ahead", () => ensurePartitions(ctx));
    const { monthsAhead } = await step.run("verify", () => verifyPartitions(ctx));
    return { added, monthsAhead };
  });
