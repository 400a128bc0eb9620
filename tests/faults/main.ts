import { parseArgs } from "node:util";
import { faultClients } from "./client-suite.ts";
import { killEngine } from "./inngest-kill.ts";
import { faultLives } from "./life-suite.ts";
import { faultRestores } from "./restore-suite.ts";

const USAGE = `npm run faults -- [--seed S]
  --runs N    N restores and rollbacks, each with a fault (1000 unless said otherwise)
  --only K    of these, run K alone
  --lives N   the life of events (archive, cold files, purge) N times with one fault each, instead; --only K as above
  --client N  N applications that write through the client while the service is killed, cut and slowed, instead; --only K as above
  --kills N   the workflow engine and its function host under N times kill -9, instead
`;

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "1000" },
    only: { type: "string" },
    lives: { type: "string" },
    client: { type: "string" },
    kills: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    help: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed);
const count = Number(values.kills ?? values.lives ?? values.client ?? values.runs);
const only = values.only === undefined ? undefined : Number(values.only);
if (values.help || ![seed, count, only ?? 1].every((one) => Number.isInteger(one) && one >= 0)) {
  process.stderr.write(USAGE);
  process.exit(values.help ? 0 : 2);
}

const run = { runs: count, seed, only };
const passed = await (values.kills !== undefined
  ? killEngine({ kills: count, seed })
  : values.lives !== undefined
    ? faultLives(run)
    : values.client !== undefined
      ? faultClients(run)
      : faultRestores(run));
process.exitCode = passed ? 0 : 1;
