import type { WorkerContext } from "../services/context.ts";
import { logArchiveRun } from "../services/archive/log.ts";
import { analyzeArchivedMonth, archiveBatch, archiveMonth } from "../services/archive/move.ts";
import { planArchive, type DueMonth } from "../services/archive/plan.ts";
import { coldContext, type Runtime } from "../services/runtime.ts";
import { exportCold } from "./_export-cold.ts";
import { scheduledJob } from "./_scheduled.ts";
import type { Steps } from "./_steps.ts";

const BATCH_EVENTS = 5_000;
const BATCHES_MAX = 80;
/** Tries to move months whole in a run, and of one month among them. */
const TRIES_MAX = 60;
const TRIES_PER_MONTH_MAX = 5;
const BUSY_WAIT_S = 20;

/** What a run did so far; it follows from the steps' results, so that it is the same when the run is entered again. */
interface Progress {
  monthsMoved: string[];
  monthsBusy: string[];
  eventsMoved: number;
  batches: number;
  tries: number;
}

/**
 * Daily at 02:00 UTC. Events past their workspace's hot retention go into the archive: whole months by a switch of
 * milliseconds, the rest batch by batch; archived months past their warm time become cold files. Each step is one transaction,
 * logged with what it moves; repeated, it finds nothing left to do. A month that is busy is tried again, here and the next
 * night; one that cannot be exported fails the run at its end.
 */
export const archiveEvents = (runtime: Runtime) =>
  scheduledJob(runtime, "archive-events", async (step, ctx) => {
    const months = await step.run("plan", () => planArchive(ctx));
    const done: Progress = { monthsMoved: [], monthsBusy: [], eventsMoved: 0, batches: 0, tries: 0 };
    for (const due of months) {
      if (due.kind === "rows" || due.merge !== null) await moveRows(step, ctx, due, done);
      if (due.kind === "month") await moveMonth(step, ctx, due, done);
      await step.run(`analyze-${due.month}`, () => analyzeArchivedMonth(ctx, due.month));
    }
    const cold = await exportCold(step, coldContext(runtime));
    await step.run("log", () => logArchiveRun(ctx, done.monthsBusy));
    if (cold.failure !== null) throw cold.failure;
    const { monthsMoved, monthsBusy, eventsMoved, batches, tries } = done;
    const remains = monthsBusy.length > 0 || batches >= BATCHES_MAX || tries >= TRIES_MAX;
    return { monthsMoved, monthsBusy, eventsMoved, remains, ...cold.done };
  });

async function moveRows(step: Steps, ctx: WorkerContext, due: DueMonth, done: Progress): Promise<void> {
  while (done.batches < BATCHES_MAX) {
    const count = await step.run(`move-batch-${++done.batches}`, () => archiveBatch(ctx, due, BATCH_EVENTS));
    if (count === "busy") return void done.monthsBusy.push(due.month);
    if (due.merge !== "to_hot") done.eventsMoved += count;
    if (count < BATCH_EVENTS) return;
  }
}

async function moveMonth(
  step: Steps,
  ctx: WorkerContext,
  { month }: DueMonth,
  done: Progress,
): Promise<void> {
  for (let n = 1; n <= TRIES_PER_MONTH_MAX && done.tries < TRIES_MAX; n++) {
    const outcome = await step.run(`move-month-${++done.tries}`, () => archiveMonth(ctx, month));
    if (outcome === "moved") done.monthsMoved.push(month);
    if (outcome !== "busy") return;
    if (n < TRIES_PER_MONTH_MAX) await step.sleep(`wait-${done.tries}`, BUSY_WAIT_S);
  }
  done.monthsBusy.push(month);
}
