import { runRequester as queryRequester } from "../../db/queries/purges.ts";
import type { WorkerContext } from "../context.ts";

/** Who asked for this run of the job, or null when the clock did. */
export const runRequester = (ctx: WorkerContext, runId: string): Promise<string | null> =>
  queryRequester(ctx.db, runId);
