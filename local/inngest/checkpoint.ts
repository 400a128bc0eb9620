import { z } from "zod";
import type { Database } from "./database.ts";
import { currentJob } from "./outcome.ts";
import { lockRun, storeResult } from "./runs.ts";
import { opSchema } from "./types.ts";

const STEPS_MAX = 1_000;

/** The body of `POST /v1/checkpoint/:runId/async` (SDK spec §10.3.1). */
export const checkpointSchema = z.object({
  qi_id: z.string().regex(/^\d{1,18}$/),
  generation_id: z.number().int(),
  steps: z.array(opSchema).max(STEPS_MAX),
});

const STORED_OPS = new Set(["StepRun", "Step"]);
const IGNORED_OPS = new Set(["StepPlanned"]);

/**
 * Stores steps while their call is still under way. "stale" when that call is no longer the newest one
 * of its job: the SDK then stops, since another call does its work.
 */
export async function storeCheckpoint(
  database: Database,
  runId: string,
  body: z.infer<typeof checkpointSchema>,
  patienceMs: number,
): Promise<"stored" | "stale" | "refused"> {
  if (body.steps.some((op) => !STORED_OPS.has(op.op) && !IGNORED_OPS.has(op.op))) return "refused";
  return database.transaction(async (session) => {
    const run = await lockRun(session, runId);
    const job = { id: body.qi_id, runId, generation: body.generation_id };
    if (!run || !(await currentJob(session, job))) return "stale";
    for (const op of body.steps) {
      if (!STORED_OPS.has(op.op)) continue;
      await storeResult(session, runId, op.id, op.displayName ?? op.name, { data: op.data ?? null });
    }
    await session.rows("update inngest.jobs set attempt = 0 where id = $1", [body.qi_id]);
    return "stored";
  }, patienceMs);
}
