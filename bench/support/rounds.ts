import type { BenchDatabase } from "./stage.ts";

/** One side of a comparison. */
export interface Contestant {
  name: string;
  /** Does the same work once; answers how many rows it wrote. What it prepares before `time` is not timed. */
  slice(time: <T>(work: () => Promise<T>) => Promise<T>): Promise<number>;
}

/** Rows per second of each contestant, one number a round. */
export type Rates = Map<string, number[]>;

const MS_PER_S = 1_000;

/**
 * Runs all contestants in every round, each time in another order, so that what changes meanwhile (caches, the table's
 * size, a busy machine) falls on all of them. The first round warms up and does not count. After each slice the
 * database must hold exactly the rows that were acknowledged.
 */
export async function interleave(
  contestants: readonly Contestant[],
  rounds: number,
  database: BenchDatabase,
  say: (line: string) => void,
): Promise<Rates> {
  const rates: Rates = new Map(contestants.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const contestant of inOrder(contestants, round)) {
      const rate = await timeSlice(contestant, database);
      if (round > 0) rates.get(contestant.name)?.push(rate);
    }
    const figures = contestants.map(({ name }) => `${name} ${Math.round(rates.get(name)?.at(-1) ?? 0)}/s`);
    say(round === 0 ? "  warm" : `  round ${round} of ${rounds}: ${figures.join(", ")}`);
  }
  return rates;
}

/** A B C, then C B A, then B C A …: nobody is always first, nor always after the same one. */
export function inOrder<T>(list: readonly T[], round: number): T[] {
  const start = Math.floor(round / 2) % list.length;
  const turned = [...list.slice(start), ...list.slice(0, start)];
  return round % 2 === 0 ? turned : turned.toReversed();
}

async function timeSlice({ name, slice }: Contestant, database: BenchDatabase): Promise<number> {
  let ms = 0;
  const [{ start } = { start: "" }] = await database.query<{ start: string }>(
    "select clock_timestamp()::text as start",
  );
  const written = await slice(async (work) => {
    const started = performance.now();
    const result = await work();
    ms += performance.now() - started;
    return result;
  });
  const [{ stored } = { stored: -1 }] = await database.query<{ stored: number }>(
    "select count(*)::int as stored from audit.audit_events where created_at >= $1",
    [start],
  );
  if (stored !== written) throw new Error(`${name} was told of ${written} rows, but ${stored} are stored`);
  return (written / ms) * MS_PER_S;
}
