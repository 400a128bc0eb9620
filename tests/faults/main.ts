import { parseOptions, wholeNumber } from "../../local/options.ts";
import { faultClients } from "./client-suite.ts";
import { killEngine } from "./inngest-kill.ts";
import { faultLives } from "./life-suite.ts";
import { faultRestores } from "./restore-suite.ts";

const NUMBER_MAX = 2 ** 31 - 1;
const SEEDS = 1_000_000;

const HELP = `npm run faults -- [options]

Breaks what is under way, and looks whether it comes out as it does undisturbed. Ends with 1 when it does not.

  --runs <n>      n restores and rollbacks, each with a fault (1000)
  --lives <n>     instead the life of events (archive, cold files, purge) n times, with a fault each
  --client <n>    instead n applications that write through the client while the service is killed, cut and slowed
  --kills <n>     instead the workflow engine and its function host under n times kill -9
  --only <k>      of these, but for kills, number k alone
  --seed <s>      what the faults are derived from, to repeat them
  --help          this text
`;

const { values } = parseOptions(HELP, {
  runs: { type: "string", default: "1000" },
  only: { type: "string" },
  lives: { type: "string" },
  client: { type: "string" },
  kills: { type: "string" },
  seed: { type: "string", default: String(Date.now() % SEEDS) },
});
const numberOf = (name: keyof typeof values, text: string) => wholeNumber(`--${name}`, text, 0, NUMBER_MAX);
const seed = numberOf("seed", values.seed);
const kind = (["kills", "lives", "client"] as const).find((name) => values[name] !== undefined) ?? "runs";
const count = numberOf(kind, values[kind] ?? values.runs);
const only = values.only === undefined ? undefined : numberOf("only", values.only);

const run = { runs: count, seed, only };
const suites = {
  kills: () => killEngine({ kills: count, seed }),
  lives: () => faultLives(run),
  client: () => faultClients(run),
  runs: () => faultRestores(run),
};
const passed = await suites[kind]();
process.exitCode = passed ? 0 : 1;
