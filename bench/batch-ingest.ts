import type { Finding, Measure, Run } from "./support/measure.ts";
import { HttpClient } from "./support/http-client.ts";
import { batchInsert, openReference } from "./support/reference.ts";
import { interleave, type Contestant } from "./support/rounds.ts";
import { makeEvents, seedsFrom, type BenchEvent } from "./support/rows.ts";
import { compareRates, ofPg } from "./support/compare.ts";

const WORKSPACES = 100;
const SEED = 1;
const RATIO_MIN = 0.5;

/** Batches over HTTP against multi-row INSERTs of such rows by one client, both one after the other. */
export const batchIngest: Measure = {
  name: "batch-ingest",
  title: "Batch ingest",
  run: async (run) => ({
    findings: [...(await compare(run, false)), ...(await compare(run, true))],
    notes: [
      `Rows per second. Reference: one client of \`pg\`, a prepared \`INSERT … SELECT … FROM unnest\` of ${run.sizes.batchRows} rows a commit into the same table, with its triggers, checks and five indexes. Ours: one connection, \`POST /api/audit/log/batch\` with as many events. With eventIds, the API also keeps each natural key and the hash of its event in \`audit_event_keys\`; the reference does not.`,
    ],
  }),
};

async function compare(run: Run, withIds: boolean): Promise<Finding[]> {
  const { stage, sizes, rounds } = run;
  const variants = withIds ? run.variants.slice(0, 1) : run.variants;
  const database = await stage.database("bench_batch", { fresh: true });
  const reference = await openReference(database.appUrl, 1);
  const nextSeed = seedsFrom(SEED);
  const batches = () =>
    Array.from({ length: sizes.batches }, () => {
      const seed = nextSeed();
      const eventIds = withIds ? `batch-${seed}` : undefined;
      return makeEvents(sizes.batchRows, seed, { workspaces: WORKSPACES, ...(eventIds ? { eventIds } : {}) });
    });
  const insert: Contestant = {
    name: "INSERT … unnest",
    slice: async (time) => {
      const statements = batches().map(batchInsert);
      await time(() => reference.run(statements));
      return statements.length * sizes.batchRows;
    },
  };
  const clients: HttpClient[] = [];
  const posts: Contestant[] = [];
  for (const variant of variants) {
    const client = new HttpClient(await stage.api(database, variant), 1);
    clients.push(client);
    posts.push({ name: variant, slice: (time) => post(client, batches(), time) });
  }
  const rates = await interleave([insert, ...posts], rounds, database, stage.say);
  await Promise.all([reference.close(), ...clients.map((client) => client.close())]);
  await stage.stopApis();
  return compareRates(rates, {
    reference: insert.name,
    ours: variants,
    measure: (variant) => `${variant}${withIds ? ", with eventIds" : ""}`,
    unit: "rows/s",
    target: (variant) => ofPg(variant, { atLeast: RATIO_MIN }),
  });
}

async function post(
  client: HttpClient,
  batches: BenchEvent[][],
  time: <T>(work: () => Promise<T>) => Promise<T>,
) {
  const requests = batches.map((events) => ({
    method: "POST" as const,
    path: "/api/audit/log/batch",
    body: JSON.stringify({ events }),
  }));
  let stored = 0;
  await time(() =>
    client.sendAll(requests, ({ text }) => {
      stored += (JSON.parse(text) as { ids: string[] }).ids.length;
    }),
  );
  return stored;
}
