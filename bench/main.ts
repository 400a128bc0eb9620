import path from "node:path";
import { parseOptions, refuse, wholeNumber } from "../local/options.ts";
import { analytics } from "./analytics.ts";
import { archive } from "./archive.ts";
import { batchIngest } from "./batch-ingest.ts";
import { capture } from "./capture.ts";
import { client } from "./client.ts";
import { cold } from "./cold.ts";
import { hotWorkspace } from "./hot-workspace.ts";
import { memory } from "./memory.ts";
import { months } from "./months.ts";
import { reads } from "./reads.ts";
import { restore } from "./restore.ts";
import { rowHistory } from "./row-history.ts";
import { singleEvent } from "./single-event.ts";
import { start } from "./start.ts";
import { FULL, QUICK, type Measure, type Run } from "./support/measure.ts";
import { machineFacts, toMarkdown, writeBetweenMarkers } from "./support/report.ts";
import { Stage } from "./support/stage.ts";

const MEASURES: readonly Measure[] = [
  batchIngest,
  singleEvent,
  hotWorkspace,
  reads,
  start,
  memory,
  restore,
  rowHistory,
  cold,
  capture,
  archive,
  months,
  client,
  analytics,
];
const DOCUMENT = path.resolve(import.meta.dirname, "../docs/PERFORMANCE.md");
const ROUNDS = 7;
const QUICK_ROUNDS = 3;
const ROUNDS_MAX = 1_000;

const HELP = `npm run bench -- [names …] [options]

Measures the service against what Postgres itself can do, on a Postgres of its own, and prints a table for each:

${MEASURES.map(({ name, title }) => `  ${name.padEnd(15)} ${title}`).join("\n")}

  --rounds <n>      interleaved rounds (${ROUNDS}; ${QUICK_ROUNDS} with --quick)
  --quick           a fraction of the work, to see that it runs: its figures mean little
  --supa-audit <f>  the SQL file of supabase/supa_audit, to have it beside ours in capture
  --redis           a column more: rate limits counted in the local Redis
  --data <dir>      where the databases stay; a second run need not fill them again (.afterimage/bench; 15 GB)
  --write           also puts the tables into docs/PERFORMANCE.md
  --profile <dir>   CPU profiles of the API's processes
  --help            this text

Postgres, the API and the client that makes the load share this machine: let nothing else run on it.
`;

const say = (line: string) => void process.stderr.write(`${line}\n`);

function readOptions() {
  const { values, positionals } = parseOptions(
    HELP,
    {
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      "supa-audit": { type: "string" },
      redis: { type: "boolean", default: false },
      data: { type: "string", default: ".afterimage/bench" },
      write: { type: "boolean", default: false },
      profile: { type: "string" },
    },
    { allowPositionals: true },
  );
  const names = positionals.length === 0 ? MEASURES.map(({ name }) => name) : positionals;
  const unknown = names.filter((name) => !MEASURES.some((measure) => measure.name === name));
  if (unknown.length > 0) refuse(`There is no measure ${unknown.join(", ")}.`);
  const usual = values.quick ? QUICK_ROUNDS : ROUNDS;
  const rounds = wholeNumber("--rounds", values.rounds ?? String(usual), 1, ROUNDS_MAX);
  return { ...values, rounds, measures: MEASURES.filter(({ name }) => names.includes(name)) };
}

async function main(): Promise<void> {
  const options = readOptions();
  let isEnding = false;
  const opening = Stage.open({
    dataDir: path.resolve(options.data),
    say,
    profileDir: options.profile && path.resolve(options.profile),
  });
  const end = async () => {
    if (isEnding) process.exit(1);
    isEnding = true;
    say("Stopping …");
    await opening.then((stage) => stage.stop()).catch(() => undefined);
    process.exit(130);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end());
  try {
    const stage = await opening;
    try {
      await runAll(
        {
          stage,
          sizes: options.quick ? QUICK : FULL,
          rounds: options.rounds,
          variants: options.redis ? ["pg", "neon", "pg + redis"] : ["pg", "neon"],
          ...(options["supa-audit"] === undefined ? {} : { supaAudit: path.resolve(options["supa-audit"]) }),
        },
        options,
      );
    } finally {
      await stage.stop();
    }
  } catch (error) {
    // What fails because it is being stopped is no news.
    if (!isEnding) throw error;
  }
}

async function runAll(run: Run, { measures, quick, write }: ReturnType<typeof readOptions>): Promise<void> {
  const facts = await machineFacts(await run.stage.database("bench_facts", { fresh: false }));
  const day = new Date().toISOString().slice(0, 10);
  const line = `${day}${quick ? ", quick" : ""}, ${run.rounds} rounds · ${facts}`;
  process.stdout.write(`${line}\n`);
  for (const measure of measures) {
    const started = performance.now();
    say(`${measure.title} …`);
    const table = toMarkdown(await measure.run(run));
    say(`  done in ${Math.round((performance.now() - started) / 1_000)} s`);
    process.stdout.write(`\n## ${measure.title}\n\n${table}\n`);
    if (write) writeBetweenMarkers(DOCUMENT, measure.name, `${table}\n\n${line}`);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
