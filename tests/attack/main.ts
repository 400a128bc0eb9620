import { parseArgs } from "node:util";
import { attack } from "./engine.ts";
import { openLocalTarget } from "./local-target.ts";
import { printReport } from "./report.ts";

// `npm run attack -- --runs 10000 --seed 1`: hostile requests to every documented route of a service of its own.
const RUNS_DEFAULT = 10_000;
const RUNS_MAX = 1_000_000;

const { values } = parseArgs({ options: { runs: { type: "string" }, seed: { type: "string" } } });
const runs = numberOf("runs", values.runs, RUNS_DEFAULT, 1, RUNS_MAX);
const seed = numberOf("seed", values.seed, Date.now() % 2 ** 31, 0, 2 ** 31 - 1);

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

function numberOf(
  name: string,
  text: string | undefined,
  otherwise: number,
  min: number,
  max: number,
): number {
  if (text === undefined) return otherwise;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  console.error(`--${name} must be a whole number from ${min} to ${max}.`);
  process.exit(2);
}
