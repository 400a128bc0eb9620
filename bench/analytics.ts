import pg from "pg";
import { connect } from "../db/client.ts";
import { sumTrails, type TrailSumsRow } from "../db/queries/trail-analytics.ts";
import { HttpClient } from "./support/http-client.ts";
import type { Finding, Measure, Run } from "./support/measure.ts";
import { rawSums } from "./support/raw-sums.ts";
import { median } from "./support/statistics.ts";
import { DAYS, MODELS, PROJECT, trailDatabase, ZONE } from "./support/trail-days.ts";

const TIMES_FASTER_MIN = 25;
const FLAT_RATIO_MAX = 1.3;
const WARM_UP = 3;
const READS = 20;

interface Side {
  trails: number;
  /** By the statement of the API, on its role and driver. */
  rolledUp(): Promise<TrailSumsRow[]>;
  raw(): Promise<TrailSumsRow[]>;
  get(): Promise<unknown>;
  close(): Promise<unknown>;
}

/** What a project's messages cost in 90 days: from the roll-up and from the rows, with few trails and with many. */
export const analytics: Measure = {
  name: "analytics",
  title: "What messages cost",
  run: async (run) => {
    const [few, many] = run.sizes.trails;
    const small = await openSide(run, few);
    const large = await openSide(run, many);
    await requireSame(small);
    await requireSame(large);
    const sums = (side: Side) => side.rolledUp();
    const get = (side: Side) => side.get();
    await byTurns([small, large], sums, WARM_UP);
    await byTurns([small, large], get, WARM_UP);

    const times = { raw: [] as number[], small: [] as number[], large: [] as number[] };
    const http = { small: [] as number[], large: [] as number[] };
    for (let round = 0; round < run.rounds; round++) {
      times.raw.push(await timed(() => large.raw()));
      const rolled = await byTurns([small, large], sums, READS);
      const answered = await byTurns([small, large], get, READS);
      times.small.push(rolled[0]);
      times.large.push(rolled[1]);
      http.small.push(answered[0]);
      http.large.push(answered[1]);
      run.stage.say(
        `  round ${round + 1} of ${run.rounds}: rows ${text(times.raw)}, roll-up ${text(times.large)}`,
      );
    }
    for (const side of [small, large]) await side.close();
    await run.stage.stopApis();
    return { findings: findings(times, http, few, many), notes: [notes(few, many)] };
  },
};

const count = (trails: number) => trails.toLocaleString("en");
const text = (ms: readonly number[]) => `${median(ms).toFixed(1)} ms`;
const over = (a: readonly number[], b: readonly number[]) => a.map((ms, i) => ms / (b[i] ?? Number.NaN));

function findings(
  times: Record<"raw" | "small" | "large", number[]>,
  http: Record<"small" | "large", number[]>,
  few: number,
  many: number,
): Finding[] {
  return [
    {
      measure: `${DAYS} days of ${count(many)} trails: the rows' time over the roll-up's`,
      reference: text(times.raw),
      ours: text(times.large),
      ratios: over(times.raw, times.large),
      target: { atLeast: TIMES_FASTER_MIN },
    },
    {
      measure: `the roll-up's time at ${count(many)} over that at ${count(few)}`,
      reference: text(times.small),
      ours: text(times.large),
      ratios: over(times.large, times.small),
      target: { atMost: FLAT_RATIO_MAX },
    },
    {
      measure: `GET …/analytics at ${count(many)} over that at ${count(few)}`,
      reference: text(http.small),
      ours: text(http.large),
      ratios: over(http.large, http.small),
    },
  ];
}

const notes = (few: number, many: number) =>
  `One project, ${MODELS} models, ${DAYS} days, the last hour not rolled up yet; sums by day in ${ZONE} and by model, compared to the last digit before they are timed. Reference of the first line: the same sums over the rows, by a statement written for them, as Postgres plans it with the table's own indexes; of the others: ours at ${count(few)} instead of ${count(many)}. Each side has a warm connection of its own and freshly vacuumed tables. A request also resolves the range and reads the ten newest trails. Medians of each round, by turns.`;

async function openSide(run: Run, trails: number): Promise<Side> {
  const { database, span } = await trailDatabase(run.stage, trails);
  const connection = connect(database.appUrl, { poolSize: 1 });
  // As the superuser: the rows may take longer than the API lets a statement take.
  const rawClient = new pg.Client({ connectionString: database.superuserUrl });
  await rawClient.connect();
  const http = new HttpClient(await run.stage.api(database, "pg"), 1);
  const query = new URLSearchParams({ from: span.from, to: span.to, tz: ZONE });
  return {
    trails,
    rolledUp: () => sumTrails(connection.db, span, MODELS),
    raw: () => rawSums(rawClient, span),
    get: () => http.send({ method: "GET", path: `/api/projects/${PROJECT}/analytics?${query}` }),
    close: () => Promise.all([http.close(), connection.close(), rawClient.end()]),
  };
}

/** A fast sum that is another would be no answer. */
async function requireSame({ rolledUp, raw, trails }: Side): Promise<void> {
  const [ours, theirs] = [JSON.stringify(await rolledUp()), JSON.stringify(await raw())];
  if (ours !== theirs) throw new Error(`at ${trails} trails the roll-up says ${ours}, the rows ${theirs}`);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** The median of each side's `times` runs, in ms. */
async function byTurns(
  sides: [Side, Side],
  work: (side: Side) => Promise<unknown>,
  times: number,
): Promise<[number, number]> {
  const ms: [number[], number[]] = [[], []];
  for (let i = 0; i < times; i++) {
    for (const side of i % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      ms[side].push(await timed(() => work(sides[side])));
    }
  }
  return [median(ms[0]), median(ms[1])];
}
