import { StepError } from "inngest";
import type { ColdContext } from "../services/cold/context.ts";
import { dropMonth } from "../services/cold/drop-month.ts";
import { exportNextFile } from "../services/cold/export-month.ts";
import { planCold } from "../services/cold/plan.ts";
import type { Steps } from "./_steps.ts";

/** Of one run, which stays under 300 steps with the moves before; the next run goes on. */
const FILES_MAX = 36;

interface Progress {
  coldMonths: number;
  coldFiles: number;
  coldRows: number;
  /** Whether there is more than one run does. */
  coldRemains: boolean;
}

/**
 * Archived months that are due become cold files: a step per file, then one that drops the month's table. Each repeats without
 * harm; what a run does not reach, the next one does. A month that fails stands in nobody's way: `failure` is the first error.
 */
export async function exportCold(
  step: Steps,
  ctx: ColdContext,
): Promise<{ done: Progress; failure: Error | null }> {
  const { months, remains } = await step.run("plan-cold", () => planCold(ctx));
  const done: Progress = { coldMonths: 0, coldFiles: 0, coldRows: 0, coldRemains: remains };
  let failure: Error | null = null;
  for (const [i, month] of months.entries()) {
    try {
      const isWhole = await exportMonth(step, ctx, { month, i }, done);
      if (!isWhole) return { done: { ...done, coldRemains: true }, failure };
      await step.run(`drop-cold-${i + 1}`, () => dropMonth(ctx, month));
      done.coldMonths++;
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      failure ??= error;
    }
  }
  return { done, failure };
}

/** Writes files until the month has all of them, or the run as many as it may: then answers false. */
async function exportMonth(
  step: Steps,
  ctx: ColdContext,
  { month, i }: { month: string; i: number },
  done: Progress,
): Promise<boolean> {
  for (;;) {
    if (done.coldFiles === FILES_MAX) return false;
    const file = await step.run(`export-cold-${done.coldFiles + i + 1}`, () => exportNextFile(ctx, month));
    if (!file.wrote) return true;
    done.coldFiles++;
    done.coldRows += file.rows;
  }
}
