import { inLanes } from "./lanes.ts";
import { randomFrom, pick } from "./random.ts";
import { nameOf, pickScenario, type Scenario } from "./restore-data.ts";
import { Faults, pickFault } from "./restore-faults.ts";
import { compare } from "./restore-outcome.ts";
import { runOnce, type Hit, type RunResult } from "./restore-run.ts";
import { openStage, type Stage } from "./restore-stage.ts";

const LANES = 12;
const LINES_MAX = 12;
const PROGRESS_RUNS = 50;
/** Runs of one seed have numbers below; those without a fault, of which they differ in nothing, have numbers above. */
const RUNS_MAX = 1_000_000;

export interface FaultOptions {
  runs: number;
  seed: number;
  /** Only the run of this number, from 1. */
  only?: number | undefined;
}

interface Planned {
  number: number;
  scenario: Scenario;
  random: () => number;
}

/**
 * Restores and rollbacks, each with a fault at one point of its course, against the same without a fault: tables, history,
 * caches, jobs, events and the run itself have to come out the same. Says what it found.
 */
export async function faultRestores({ runs, seed, only }: FaultOptions): Promise<boolean> {
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const since = Date.now();
  const elapsed = () => `${Math.round((Date.now() - since) / 1_000)} s`;
  say(`seed: ${seed}`);
  const planned = Array.from({ length: runs }, (_, i) => planOf(seed, i + 1)).filter(
    ({ number }) => only === undefined || number === only,
  );
  const stage = await openStage(Math.min(LANES, Math.max(planned.length, 1)));
  const tally = { done: 0, lost: 0, repeated: 0, missed: 0, redeliveries: 0 };
  const struck = new Map<string, number>();
  try {
    const undisturbed = await runUndisturbed(stage, planned);
    say(`${undisturbed.size} kinds of runs without a fault after ${elapsed()}`);
    const faults = new Faults();
    await inLanes(stage.lanes, planned, async ({ number, scenario, random }, lane) => {
      const reference = undisturbed.get(nameOf(scenario)) as RunResult;
      const hit: Hit = { point: pickPoint(random, reference.points), fault: pickFault(random) };
      const result = await runOnce(stage, faults, { number, lane, scenario, hit });
      const { lost, added } = compare(reference.lines, result.lines);
      tally.done++;
      tally.redeliveries += result.redeliveries;
      if (!result.isHit) tally.missed++;
      struck.set(hit.fault.kind, (struck.get(hit.fault.kind) ?? 0) + (result.isHit ? 1 : 0));
      if (lost.length > 0) tally.lost++;
      if (added.length > 0) tally.repeated++;
      if (lost.length + added.length > 0) {
        say(
          `FAILED  run ${number}: ${nameOf(scenario)}, ${hit.fault.kind} at "${hit.point}" (--seed ${seed} --only ${number})`,
        );
        for (const line of lost.slice(0, LINES_MAX)) say(`        - ${line}`);
        for (const line of added.slice(0, LINES_MAX)) say(`        + ${line}`);
        for (const line of result.failedAttempts.slice(-LINES_MAX)) say(`        ! ${line}`);
      }
      if (tally.done % PROGRESS_RUNS === 0) say(`${tally.done} runs after ${elapsed()}`);
    });
    const crashes = [...stage.host.crashes, ...stage.engine.crashes];
    for (const crash of crashes) say(`FAILED  ${crash}`);
    say(
      `faults: ${[...struck].map(([kind, n]) => `${kind} ${n}`).join(", ")}; ${tally.missed} runs passed their point by another's fault`,
    );
    say(`jobs posted again under the id that they had: ${tally.redeliveries}`);
    say(`runs: ${tally.done}, lost: ${tally.lost}, repeated: ${tally.repeated}, seed: ${seed}, ${elapsed()}`);
    return tally.lost + tally.repeated + crashes.length === 0;
  } finally {
    await stage.close();
  }
}

/** The same for a seed and a number, whatever else runs. */
function planOf(seed: number, number: number): Planned {
  const random = randomFrom(seed * RUNS_MAX + number);
  return { number, scenario: pickScenario(random), random };
}

/** A boundary between steps, a point inside a chunk, or one of the side effects. */
function pickPoint(random: () => number, points: string[]): string {
  const kinds = [/^(begin|end) /, /^(row|mark) /, /^(keep|note|done)/];
  const share = random();
  const kind = kinds[share < 0.4 ? 0 : share < 0.8 ? 1 : 2] as RegExp;
  const some = points.filter((point) => kind.test(point));
  return pick(random, some.length > 0 ? some : points);
}

async function runUndisturbed(stage: Stage, planned: Planned[]): Promise<Map<string, RunResult>> {
  const kinds = new Map(planned.map(({ scenario }) => [nameOf(scenario), scenario]));
  const found = new Map<string, RunResult>();
  const faults = new Faults();
  let number = RUNS_MAX;
  await inLanes(stage.lanes, [...kinds], async ([name, scenario], lane) => {
    const result = await runOnce(stage, faults, { number: number++, lane, scenario, hit: null }).catch(
      (error: unknown) => {
        throw new Error(`${name} does not even work without a fault`, { cause: error });
      },
    );
    const isWhole = result.lines.some((line) => line.startsWith(`${scenario.phase} status: completed`));
    if (!isWhole) throw new Error(`${name} does not even work without a fault:\n${result.lines.join("\n")}`);
    found.set(name, result);
  });
  return found;
}
