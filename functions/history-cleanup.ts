import { dropHistoryMonth, reportHistoryCleanup } from "../services/history/drop-month.ts";
import type { Runtime } from "../services/runtime.ts";
import { scheduledJob } from "./_scheduled.ts";

const TRIES_MAX = 20;
const BUSY_MAX = 8;
const BUSY_WAIT_S = 20;

/**
 * Daily at 03:30 UTC, apart from the making of months. Drops whole months of the row history once all of it is a year old, one
 * transaction each; on most days there is none. Nobody waits longer than a second for it: a table that is in use is tried
 * again, here and the next night. A retried step drops the next month that is due, or none.
 */
export const historyCleanup = (runtime: Runtime) =>
  scheduledJob(runtime, "history-cleanup", async (step, ctx) => {
    const dropped: string[] = [];
    let held: string | null = null;
    let busy = 0;
    let isBusy = false;
    for (let n = 1; n <= TRIES_MAX; n++) {
      const month = await step.run(`drop-month-${n}`, () => dropHistoryMonth(ctx));
      isBusy = month.outcome === "busy";
      if (month.outcome === "dropped") dropped.push(month.month);
      if (month.outcome === "held") held = month.month;
      if (month.outcome === "none" || month.outcome === "held" || (isBusy && busy === BUSY_MAX)) break;
      if (isBusy) await step.sleep(`wait-${++busy}`, BUSY_WAIT_S);
    }
    await step.run("report", () => reportHistoryCleanup(ctx, isBusy));
    return { dropped, held, isBusy };
  });
