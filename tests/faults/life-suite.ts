import { variants, type Variant } from "./life-data.ts";
import { pickFault } from "./life-faults.ts";
import { runLife, type LifeResult } from "./life-run.ts";
import { openLanes, type Lane, type LifeStage } from "./life-stage.ts";
import { inLanes } from "./lanes.ts";
import { pick, randomFrom } from "./random.ts";
import type { FaultOptions } from "./restore-suite.ts";

const LANES = 4;
const NAMED_MAX = 5;
const PROGRESS_RUNS = 25;
/** Runs of one seed have numbers below. */
const RUNS_MAX = 1_000_000;

/** Kinds of points, and how much of all faults each gets: boundaries of steps, transactions, rows of a batch, the storage. */
const POINT_SHARES: [RegExp, number][] = [
  [/: stored /, 0.3],
  [/: (ddl|log|note|propose|removed)/, 0.25],
  [/: row /, 0.1],
  [/: (put|half put|after put|get|delete) /, 0.35],
];

interface Planned {
  number: number;
  variant: Variant;
  random: () => number;
}

/**
 * Lives of events, each with a fault at one point of its course: counted by id over hot, archive, cold and what was purged,
 * each event has to be there once, and a reader has to see it once at every moment. Says what it found.
 */
export async function faultLives({ runs, seed, only }: FaultOptions): Promise<boolean> {
  const tally = new Tally();
  say(`seed: ${seed}`);
  const planned = Array.from({ length: runs }, (_, i) => planOf(seed, i + 1)).filter(
    ({ number }) => only === undefined || number === only,
  );
  const stage = await openLanes(Math.min(LANES, Math.max(planned.length, 1)));
  try {
    const points = await pointsOf(stage);
    const count = [...points.values()].flat().length;
    say(`${count} points in ${points.size} lives without a fault after ${tally.elapsed()}`);
    await inLanes(stage.lanes.length, planned, async ({ number, variant, random }, lane) => {
      const point = pickPoint(random, points.get(variant) as string[]);
      const hit = { point, fault: pickFault(random, point) };
      const result = await runLife(stage.lanes[lane] as Lane, { number, variant, hit, random });
      const name = `run ${number}: ${hit.fault.kind} at "${point}" (--seed ${seed} --only ${number})`;
      tally.count(name, hit.fault.kind, result);
    });
    const crashes = stage.lanes.flatMap(({ host, engine }) => [...host.crashes, ...engine.crashes]);
    for (const crash of crashes) say(`FAILED  ${crash}`);
    return tally.conclude(seed) && crashes.length === 0;
  } finally {
    await stage.close();
  }
}

class Tally {
  readonly #since = Date.now();
  readonly #struck = new Map<string, number>();
  readonly #sums = { lost: 0, doubled: 0, events: 0, reads: 0, unavailable: 0, again: 0 };
  #runs = 0;
  #hit = 0;
  #failed = 0;

  elapsed = () => `${Math.round((Date.now() - this.#since) / 1_000)} s`;

  count(name: string, kind: string, result: LifeResult): void {
    const sums = this.#sums;
    sums.lost += result.lost.length;
    sums.doubled += result.doubled.length;
    for (const key of ["events", "reads", "unavailable", "again"] as const) sums[key] += result[key];
    if (result.isHit) {
      this.#hit++;
      this.#struck.set(kind, (this.#struck.get(kind) ?? 0) + 1);
    }
    const problems = problemsOf(result);
    if (problems.length > 0) {
      this.#failed++;
      say([`FAILED  ${name}`, ...problems].join("\n        "));
    }
    if (++this.#runs % PROGRESS_RUNS === 0) say(`${this.#runs} runs after ${this.elapsed()}`);
  }

  /** Says what it was, and whether all went well. */
  conclude(seed: number): boolean {
    const { lost, doubled, events, reads, unavailable, again } = this.#sums;
    const faults = [...this.#struck].map(([kind, n]) => `${kind} ${n}`).join(", ");
    say(`faults: ${faults}; at their point: ${this.#hit} of ${this.#runs}`);
    say(
      `events: ${events}; reads of all pages: ${reads}, and ${unavailable} answered with 503; jobs run again: ${again}`,
    );
    say(
      `runs: ${this.#runs}, lost: ${lost}, doubled: ${doubled}, failed: ${this.#failed}, seed: ${seed}, ${this.elapsed()}`,
    );
    return this.#failed === 0;
  }
}

const say = (line: string) => process.stdout.write(`${line}\n`);

/** The same for a seed and a number, whatever else runs. */
function planOf(seed: number, number: number): Planned {
  const random = randomFrom(seed * RUNS_MAX + number);
  return { number, variant: pick(random, variants), random };
}

/** One life per variant without a fault, which notes the points that it passes. */
async function pointsOf({ lanes }: LifeStage): Promise<Map<Variant, string[]>> {
  const found = new Map<Variant, string[]>();
  await inLanes(lanes.length, [...variants.entries()], async ([number, variant], n) => {
    const lane = lanes[n] as Lane;
    const problems = problemsOf(await runLife(lane, { number, variant, hit: null, random: () => 1 }));
    if (problems.length > 0)
      throw new Error(`${variant.merge} does not even work without a fault:\n${problems.join("\n")}`);
    found.set(variant, await lane.pauses.passed());
  });
  return found;
}

const problemsOf = ({ lost, doubled, problems }: LifeResult): string[] => [
  ...lost.slice(0, NAMED_MAX).map((id) => `lost: ${id}`),
  ...doubled.slice(0, NAMED_MAX).map((id) => `doubled: ${id}`),
  ...new Set(problems),
];

function pickPoint(random: () => number, points: string[]): string {
  let share = random();
  const [kind] = POINT_SHARES.find(([, one]) => (share -= one) < 0) as [RegExp, number];
  return pick(
    random,
    points.filter((point) => kind.test(point)),
  );
}
