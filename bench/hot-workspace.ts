import type { Finding, Measure } from "./support/measure.ts";
import { HttpClient } from "./support/http-client.ts";
import { openReference, singleInsert } from "./support/reference.ts";
import { interleave, type Contestant } from "./support/rounds.ts";
import { makeEvents, seedsFrom } from "./support/rows.ts";
import { compareRates, ofPg } from "./support/compare.ts";
import { postSingles } from "./support/post-singles.ts";

const CONNECTIONS = 16;
const MANY = 100;
const SEED = 2_000_000;
const RATIO_MIN = 0.8;

/** Events that all belong to one workspace against events of a hundred. */
export const hotWorkspace: Measure = {
  name: "hot-workspace",
  title: "One hot workspace",
  run: async ({ stage, sizes, rounds, variants }) => {
    const database = await stage.database("bench_hot", { fresh: true });
    const reference = await openReference(database.appUrl, CONNECTIONS);
    const nextSeed = seedsFrom(SEED);
    const events = (workspaces: number) => makeEvents(sizes.singles, nextSeed(), { workspaces });
    const ways: { name: string; slice(workspaces: number): Contestant["slice"] }[] = [
      {
        name: "INSERT alone",
        slice: (workspaces) => async (time) => {
          const statements = events(workspaces).map(singleInsert);
          await time(() => reference.run(statements));
          return statements.length;
        },
      },
    ];
    const clients: HttpClient[] = [];
    for (const variant of variants) {
      const client = new HttpClient(await stage.api(database, variant), CONNECTIONS);
      clients.push(client);
      ways.push({
        name: variant,
        slice: (workspaces) => (time) => postSingles(client, events(workspaces), time),
      });
    }
    const findings: Finding[] = [];
    for (const { name, slice } of ways) {
      const pair = [
        { name: `${MANY} workspaces`, slice: slice(MANY) },
        { name: "one workspace", slice: slice(1) },
      ];
      stage.say(`  ${name}`);
      const rates = await interleave(pair, rounds, database, stage.say);
      findings.push(
        ...compareRates(rates, {
          reference: `${MANY} workspaces`,
          ours: ["one workspace"],
          measure: () => name,
          unit: "events/s",
          target: () => ofPg(name, { atLeast: RATIO_MIN }),
        }),
      );
    }
    await Promise.all([reference.close(), ...clients.map((client) => client.close())]);
    await stage.stopApis();
    return {
      findings,
      notes: [
        `Single events at ${CONNECTIONS} connections, as above. Reference: spread evenly over ${MANY} workspaces; ours: all in one. The first line is plain \`INSERT\`s, so it shows what the chronology trigger alone costs a hot workspace.`,
      ],
    };
  },
};
