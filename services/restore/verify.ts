import { setTimeout as sleep } from "node:timers/promises";
import { verifyChunk, type Difference } from "../../db/queries/restore-apply.ts";
import type { RestoreContext } from "./context.ts";
import { checkUrls, type CheckedUrl } from "./effects/check-url.ts";
import { findStaleKeys } from "./effects/find-stale-keys.ts";
import { noteStep, type RunRef } from "./note-step.ts";

const EXAMPLES_MAX = 50;
/** Until a stale key is looked at again: who read the row before the restore has written it by then. */
const SECOND_LOOK_MS = 3_000;

export interface Verification {
  /** Whether every row is what it was to be, or somebody else has made it another since. */
  ok: boolean;
  /** Differences by cause: trigger is the application's own, changed_since somebody after the restore. */
  differences: Partial<Record<Difference["cause"], number>>;
  examples: Difference[];
  /** Cache keys that still hold what they held before, and how many others there are. */
  cache: { absent: number; repopulated: number; staleCount: number; stale: string[] };
  checks: CheckedUrl[];
}

/** Reads everything again that a restore has written, and looks at caches and addresses. Changes no row. */
export async function verifyRestore(ctx: RestoreContext, ref: RunRef) {
  return noteStep(ctx, ref, "verify", async (run): Promise<Verification> => {
    const differences: Verification["differences"] = {};
    const examples: Difference[] = [];
    for (let chunk = 1; chunk <= run.chunkStarts.length; chunk++) {
      const found = await verifyChunk(ctx.db, run.id, chunk);
      for (const [cause, count] of Object.entries(found.counts) as [Difference["cause"], number][]) {
        differences[cause] = (differences[cause] ?? 0) + count;
      }
      examples.push(...found.examples.slice(0, EXAMPLES_MAX - examples.length));
    }
    const cache = await lookAtCache(ctx, run.id);
    const checks = await checkUrls(ctx, { runId: run.id, repeat: 0 });
    const ok =
      !differences.wrong &&
      !differences.unrecorded &&
      cache.staleCount === 0 &&
      checks.every(({ error }) => error === undefined);
    return { ok, differences, examples, cache, checks };
  });
}

/** A stale key is flushed at the first look; only what the second one finds counts. */
async function lookAtCache(ctx: RestoreContext, runId: string): Promise<Verification["cache"]> {
  const { flushedAgain, ...first } = await lookOnce(ctx, runId);
  if (flushedAgain === 0) return first;
  await sleep(SECOND_LOOK_MS);
  const { flushedAgain: _, ...second } = await lookOnce(ctx, runId);
  return second;
}

async function lookOnce(ctx: RestoreContext, runId: string) {
  const sum = { absent: 0, repopulated: 0, staleCount: 0, stale: [] as string[], flushedAgain: 0 };
  for (let after: string | null = ""; after !== null;) {
    const page = await findStaleKeys(ctx, { runId, repeat: 0, ...(after === "" ? {} : { after }) });
    sum.absent += page.absent;
    sum.repopulated += page.repopulated;
    sum.staleCount += page.staleCount;
    sum.flushedAgain += page.flushedAgain;
    sum.stale.push(...page.stale.slice(0, EXAMPLES_MAX - sum.stale.length));
    after = page.next;
  }
  return sum;
}
