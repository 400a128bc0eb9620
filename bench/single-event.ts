import type { Measure } from "./support/measure.ts";
import { HttpClient } from "./support/http-client.ts";
import { openReference, singleInsert } from "./support/reference.ts";
import { interleave, type Contestant } from "./support/rounds.ts";
import { makeEvents, seedsFrom } from "./support/rows.ts";
import { compareRates, ofPg } from "./support/compare.ts";
import { postSingles } from "./support/post-singles.ts";

const CONNECTIONS = 16;
const WORKSPACES = 100;
const SEED = 1_000_000;
const RATIO_MIN = 0.4;

/** Single events over HTTP against single-row INSERTs of such rows, both at 16 connections. */
export const singleEvent: Measure = {
  name: "single-event",
  title: "Single events",
  run: async ({ stage, sizes, rounds, variants }) => {
    const database = await stage.database("bench_single", { fresh: true });
    const reference = await openReference(database.appUrl, CONNECTIONS);
    const nextSeed = seedsFrom(SEED);
    const events = () => makeEvents(sizes.singles, nextSeed(), { workspaces: WORKSPACES });
    const insert: Contestant = {
      name: "INSERT",
      slice: async (time) => {
        const statements = events().map(singleInsert);
        await time(() => reference.run(statements));
        return statements.length;
      },
    };
    const clients: HttpClient[] = [];
    const posts: Contestant[] = [];
    for (const variant of variants) {
      const client = new HttpClient(await stage.api(database, variant), CONNECTIONS);
      clients.push(client);
      posts.push({ name: variant, slice: (time) => postSingles(client, events(), time) });
    }
    const rates = await interleave([insert, ...posts], rounds, database, stage.say);
    await Promise.all([reference.close(), ...clients.map((client) => client.close())]);
    await stage.stopApis();
    return {
      findings: compareRates(rates, {
        reference: insert.name,
        ours: variants,
        measure: (variant) => variant,
        unit: "events/s",
        target: (variant) => ofPg(variant, { atLeast: RATIO_MIN }),
      }),
      notes: [
        `Events per second at ${CONNECTIONS} connections. Reference: as many clients of \`pg\`, a prepared single-row \`INSERT\` and a commit per event. Ours: \`POST /api/audit/log\`, each with an Idempotency-Key of its own.`,
      ],
    };
  },
};
