import type { Misfortune } from "./client-misfortunes.ts";
import { runClient, type ClientResult } from "./client-run.ts";
import { openLanes, type Lane } from "./client-stage.ts";
import { inLanes } from "./lanes.ts";
import { pick, randomFrom } from "./random.ts";
import type { FaultOptions } from "./restore-suite.ts";

const LANES = 2;
const MESSAGES = 150;
const CALLERS = 24;
const PROGRESS_RUNS = 25;
/** Runs of one seed have numbers below. */
const RUNS_MAX = 1_000_000;

/**
 * Applications that write trails and events through the client while their service is killed, cut off, slowed and stalled, and
 * answers 500: what they were told has to be what is stored. Says what it found.
 */
export async function faultClients({ runs, seed, only }: FaultOptions): Promise<boolean> {
  const since = Date.now();
  const elapsed = () => `${Math.round((Date.now() - since) / 1_000)} s`;
  say(`seed: ${seed}`);
  const numbers = Array.from({ length: runs }, (_, i) => i + 1).filter(
    (number) => only === undefined || number === only,
  );
  const { lanes, close } = await openLanes(Math.min(LANES, Math.max(numbers.length, 1)));
  const sums = { written: 0, dropped: 0, uncertain: 0, retries: 0, failed: 0, done: 0 };
  const struck = new Map<Misfortune, number>();
  try {
    await inLanes(lanes.length, numbers, async (number, lane) => {
      const { service, apiKey, rows } = lanes[lane] as Lane;
      const random = randomFrom(seed * RUNS_MAX + number);
      const mode = pick(random, ["required", "buffered"] as const);
      const ending = mode === "required" ? "drained" : pick(random, ["drained", "closed"] as const);
      const load = { mode, ending, messages: MESSAGES, callers: CALLERS, random };
      const result = await runClient(service, { run: String(number), apiKey, rows, ...load });
      for (const name of ["written", "dropped", "uncertain", "retries"] as const) sums[name] += result[name];
      for (const [kind, n] of result.misfortunes) struck.set(kind, (struck.get(kind) ?? 0) + n);
      if (result.problems.length > 0) sums.failed++;
      sayProblems(`run ${number}: ${mode}, ${ending} (--seed ${seed} --only ${number})`, result);
      if (++sums.done % PROGRESS_RUNS === 0) say(`${sums.done} runs after ${elapsed()}`);
    });
    const crashes = lanes.flatMap(({ service }) => service.host.crashes);
    for (const crash of crashes) say(`FAILED  ${crash}`);
    const faults = [...struck].map(([kind, n]) => `${kind} ${n}`).join(", ");
    say(`faults: ${faults}; requests sent again: ${sums.retries}`);
    say(
      `writes: ${sums.written}, reported as dropped: ${sums.dropped}, of which may be stored: ${sums.uncertain}`,
    );
    say(`runs: ${sums.done}, failed: ${sums.failed}, seed: ${seed}, ${elapsed()}`);
    return sums.failed === 0 && crashes.length === 0;
  } finally {
    await close();
  }
}

const say = (line: string) => process.stdout.write(`${line}\n`);

const NAMED_MAX = 8;

function sayProblems(name: string, { problems }: ClientResult): void {
  if (problems.length > 0) say([`FAILED  ${name}`, ...problems.slice(0, NAMED_MAX)].join("\n        "));
}
