import type { EffectPage, EffectStep } from "../services/restore/side-effects.ts";
import type { Steps } from "./_steps.ts";

const EFFECTS: EffectStep[] = ["flush-caches", "reenqueue-jobs"];
/** A page is up to 20 s of work. */
const PAGES_MAX = 60;

type Effects = Partial<Record<EffectStep, { count: number; skipped?: string; remains: boolean }>>;

/** Flushes, then enqueues, page by page; null when the run is no longer this workflow's. */
export async function sideEffects(
  step: Steps,
  act: (name: EffectStep, after: number) => Promise<EffectPage | { state: "superseded" }>,
): Promise<Effects | null> {
  const effects: Effects = {};
  for (const name of EFFECTS) {
    let after: number | null = 0;
    let count = 0;
    let skipped: string | undefined;
    for (let n = 1; after !== null && n <= PAGES_MAX; n++) {
      const from: number = after;
      const page = await step.run(n === 1 ? name : `${name}-${n}`, () => act(name, from));
      if ("state" in page) return null;
      count += page.count;
      ({ skipped } = page);
      after = page.next;
    }
    effects[name] = { count, remains: after !== null, ...(skipped === undefined ? {} : { skipped }) };
  }
  return effects;
}
