import { workflows } from "../../functions/index.ts";
import { dropMonth } from "../../services/cold/drop-month.ts";
import { exportNextFile } from "../../services/cold/export-month.ts";
import { planCold } from "../../services/cold/plan.ts";
import { readEnv } from "../../lib/env.ts";
import { createLogger } from "../../lib/logger.ts";
import { coldContext, createRuntime } from "../../services/runtime.ts";

const BYTES_PER_KB = 1_024;

// A process of its own, as the function of the workflows is one, with all of them loaded: writes every month that is due to
// cold files, and tells what it took.
const runtime = createRuntime(readEnv(), { log: createLogger("silent"), send: async () => undefined });
workflows(runtime);
const ctx = coldContext(runtime);
const stepsMs: number[] = [];
const timed = async <T>(step: Promise<T>, started = performance.now()): Promise<T> => {
  const result = await step;
  stepsMs.push(performance.now() - started);
  return result;
};
for (const month of (await planCold(ctx)).months) {
  while ((await timed(exportNextFile(ctx, month))).wrote);
  await timed(dropMonth(ctx, month));
}
await runtime.close();
const peakBytes = process.resourceUsage().maxRSS * BYTES_PER_KB;
process.stdout.write(JSON.stringify({ longestMs: Math.max(0, ...stepsMs), peakBytes }));
