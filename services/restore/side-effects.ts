import { findRun } from "../../db/queries/restore-runs.ts";
import type { RestoreContext } from "./context.ts";
import { flushCaches } from "./effects/flush-caches.ts";
import { reenqueueJobs } from "./effects/reenqueue-jobs.ts";
import { noteAttempt, noteStep, type RunRef, type Superseded } from "./note-step.ts";
import type { RestoreOptions } from "./target.ts";

export interface EffectPage {
  count: number;
  /** Where to go on; null when all is done. */
  next: number | null;
  skipped?: string;
}

export type EffectStep = "flush-caches" | "reenqueue-jobs";

type Page = { runId: string; repeat: number; after: number };

const acts = {
  "flush-caches": async (ctx: RestoreContext, page: Page): Promise<EffectPage> => {
    const { flushed, ...rest } = await flushCaches(ctx, page);
    return { count: flushed, ...rest };
  },
  "reenqueue-jobs": async (ctx: RestoreContext, page: Page): Promise<EffectPage> => {
    const { enqueued, ...rest } = await reenqueueJobs(ctx, page);
    return { count: enqueued, ...rest };
  },
} as const;

/** A page of what happens besides the rows, as a step of a restore. */
export async function sideEffectsOfRun(
  ctx: RestoreContext,
  ref: RunRef,
  step: EffectStep,
  after: number,
): Promise<EffectPage | Superseded> {
  return noteStep(ctx, ref, step, async (run) => {
    const { flush, reenqueue } = run.options as RestoreOptions;
    const isWanted = (step === "flush-caches" ? flush : reenqueue) === "auto";
    if (!isWanted) return { count: 0, next: null, skipped: "not wanted" };
    return acts[step](ctx, { runId: run.id, repeat: 0, after });
  });
}

/** The same when it is asked for again, after the restore ended. */
export async function sideEffectsAgain(
  ctx: RestoreContext,
  { restoreId, repeat }: { restoreId: string; repeat: number },
  step: EffectStep,
  after: number,
): Promise<EffectPage> {
  const run = await findRun(ctx.db, restoreId);
  if (!run) return { count: 0, next: null, skipped: "no such restore" };
  return noteAttempt(ctx, restoreId, `${step}-again-${repeat}`, () =>
    acts[step](ctx, { runId: restoreId, repeat, after }),
  );
}
