import { z } from "zod";
import { countOutcomes } from "../../db/queries/restore-items.ts";
import { findRun, rollbackOf } from "../../db/queries/restore-runs.ts";
import { listSteps } from "../../db/queries/restore-steps.ts";
import { requireOperator, type Context } from "../context.ts";
import { notFound } from "../errors.ts";
import { resendIfWaiting } from "../requests/resend-waiting.ts";
import { progressOf, restore, restoreStep, toRestore, toStep } from "./run.ts";

export const restoreDetail = restore
  .extend({
    progressPercent: z.number().int(),
    appliedCount: z.number().int(),
    skippedCount: z.number().int(),
    chunksDone: z.number().int(),
    rollbackId: z.string().nullable().describe("The restore that rolls this one back, or did."),
    steps: z.array(restoreStep),
  })
  .meta({ id: "RestoreDetail" });
type RestoreDetail = z.infer<typeof restoreDetail>;

/** A restore with its steps; looking at one that no workflow has picked up sends its event again. */
export async function getRestore(ctx: Context, id: string): Promise<RestoreDetail> {
  requireOperator(ctx, "restores:read");
  const run = await findRun(ctx.db, id);
  if (!run) throw notFound("restore");
  if (run.status === "running" || run.status === "awaiting_approval") await resendIfWaiting(ctx, run.id);
  const steps = await listSteps(ctx.db, id);
  const counts = await countOutcomes(ctx.db, id);
  const done = new Set(steps.filter(({ outcome }) => outcome === "done").map(({ step }) => step));
  const rollback = await rollbackOf(ctx.db, id);
  return {
    ...toRestore(run),
    progressPercent: progressOf(run, done),
    appliedCount: counts.applied,
    skippedCount: counts.skipped,
    chunksDone: counts.chunksDone,
    rollbackId: rollback?.id ?? null,
    steps: steps.map(toStep),
  };
}
