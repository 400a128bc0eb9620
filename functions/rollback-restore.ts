import { rollbackRequested } from "../lib/events.ts";
import type { Runtime } from "../services/runtime.ts";
import { restoreWorkflow } from "./_restore.ts";

/** When somebody rolls a restore back: a restore of its snapshot, with the same steps. */
export const rollbackRestore = (runtime: Runtime) =>
  restoreWorkflow(runtime, "rollback-restore", rollbackRequested);
