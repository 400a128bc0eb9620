import { parseOptions, wholeNumber } from "../../local/options.ts";
import { attack } from "./engine.ts";
import { openLocalTarget } from "./local-target.ts";
import { printReport } from "./report.ts";

const RUNS_MAX = 1_000_000;
const SEED_MAX = 2 ** 31 - 1;

const HELP = `npm run attack -- [options]

Sends hostile requests to every documented route of a service of its own. Ends with 1 when one finds something.

  --runs <n>      how many (10000)
  --seed <s>      what they are derived from, to repeat them
  --help          this text
`;

const { values } = parseOptions(HELP, {
  runs: { type: "string", default: "10000" },
  seed: { type: "string", default: String(Date.now() % SEED_MAX) },
});
const runs = wholeNumber("--runs", values.runs, 1, RUNS_MAX);
const seed = wholeNumber("--seed", values.seed, 0, SEED_MAX);

const interrupt = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interrupt.abort());

console.log(`${runs} requests, seed ${seed}`);
const { target, close } = await openLocalTarget();
try {
  const report = await attack(target, {
    runs,
    seed,
    onProgress: (done) => process.stderr.write(`\r${done} of ${runs}`),
    signal: interrupt.signal,
  });
  process.stderr.write("\r");
  printReport(report);
  const isSound =
    report.finding === null && report.aftermath.length === 0 && report.neverAccepted.length === 0;
  process.exitCode = interrupt.signal.aborted ? 130 : isSound ? 0 : 1;
} finally {
  await close();
}
// What was interrupted may still be at work on requests that it will not send.
process.exit();
