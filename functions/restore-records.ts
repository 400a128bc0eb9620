import { restoreRequested } from "../lib/events.ts";
import type { Runtime } from "../services/runtime.ts";
import { restoreWorkflow } from "./_restore.ts";

/** When somebody started a restore: snapshot, apply, flush, enqueue, verify, report. */
export const restoreRecords = (runtime: Runtime) =>
  restoreWorkflow(runtime, "restore-records", restoreRequested);
