import type { ColdContext } from "../services/cold/context.ts";
import { dropMonth } from "../services/cold/drop-month.ts";
import { exportNextFile } from "../services/cold/export-month.ts";
import { planCold } from "../services/cold/plan.ts";
import type { Steps } from "./_steps.ts";

/** Of one run, which stays under 300 steps with the moves before; the next run goes on. */
const FILES_MAX = 36;

/**
 * Archived months that are due become cold files: a step per file, then one that drops the month's table. Each repeats without
 * harm; what a run does not reach, the next one does.
 */
export async function exportCold(step: Steps, ctx: ColdContext) {
  const { months, remains } = await step.run("plan-cold", () => planCold(ctx));
  let files = 0;
  let coldRows = 0;
  for (const [i, month] of months.entries()) {
    for (let wrote = true; wrote;) {
      if (files === FILES_MAX) return { coldMonths: i, coldFiles: files, coldRows, coldRemains: true };
      const file = await step.run(`export-cold-${files + i + 1}`, () => exportNextFile(ctx, month));
      wrote = file.wrote;
      files += Number(wrote);
      coldRows += file.rows;
    }
    await step.run(`drop-cold-${i + 1}`, () => dropMonth(ctx, month));
  }
  return { coldMonths: months.length, coldFiles: files, coldRows, coldRemains: remains };
}
