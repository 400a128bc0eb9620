import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { startStack, type Stack } from "../local/stack.ts";
import { freePort } from "../local/ports.ts";
import type { Finding, Measure } from "./support/measure.ts";
import {
  countDifferences,
  deleteCustomers,
  insertAgain,
  makeApp,
  ROWS_OF_A_CUSTOMER,
  switchTriggers,
} from "./support/restore-app.ts";
import { median } from "./support/statistics.ts";

const RATIO_MIN = 0.3;
const POLL_MS = 50;
const MS_PER_S = 1_000;
const KB_PER_MB = 1_024;
const PREVIEW_ROWS = 5_000;

/** Deleted rows of three tables brought back by a restore, against INSERT … SELECT from side tables. */
export const restore: Measure = {
  name: "restore",
  title: "Restore",
  run: async ({ stage, sizes, rounds }) => {
    const dataDir = path.join(stage.dataDir, "restore");
    fs.rmSync(dataDir, { recursive: true, force: true });
    const say = (line: string) => stage.say(`  ${line}`);
    const stack = await startStack({ dataDir, port: await freePort(), inngest: true, say: () => undefined });
    const owner = new pg.Client({ connectionString: stack.dev.ownerDatabaseUrl as string });
    try {
      await owner.connect();
      const customers = Math.ceil(sizes.restoreRows / ROWS_OF_A_CUSTOMER);
      await makeApp(owner, customers);
      const preview = await timePreviews(stack, owner, rounds);
      const seconds = { ours: [] as number[], captured: [] as number[], bare: [] as number[] };
      for (let round = 0; round <= rounds; round++) {
        const times = {
          ours: await timeRestore(stack, owner, customers),
          captured: await timeInsert(owner, customers),
          bare: await withoutCapture(owner, () => timeInsert(owner, customers)),
        };
        if (round > 0)
          for (const name of ["ours", "captured", "bare"] as const) seconds[name].push(times[name]);
        say(
          `${round === 0 ? "warm" : `round ${round}`}: ${Object.entries(times)
            .map(([name, s]) => `${name} ${s.toFixed(1)} s`)
            .join(", ")}`,
        );
      }
      const rows = customers * ROWS_OF_A_CUSTOMER;
      const line = (name: string, reference: readonly number[], target: boolean): Finding => ({
        measure: `${rows.toLocaleString("en")} rows, against INSERT … SELECT ${name}`,
        reference: rateText(rows, reference),
        ours: rateText(rows, seconds.ours),
        ratios: seconds.ours.map((s, i) => (reference[i] as number) / s),
        ...(target ? { target: { atLeast: RATIO_MIN } } : {}),
      });
      return {
        findings: [
          line("with capture", seconds.captured, true),
          line("without capture", seconds.bare, false),
          preview,
          memoryOf(stack),
        ],
        notes: [
          "Ours: from POST /api/restores until the restore says completed, through the local workflow engine: plan, snapshot, chunks of 5,000 rows, verification. Reference: the same rows from side tables in one transaction; the first line with the tables' capture triggers, which fire in a restore, too. After each the tables are compared.",
        ],
      };
    } finally {
      await owner.end();
      await stack.stop();
    }
  },
};

const rateText = (rows: number, seconds: readonly number[]) =>
  `${Math.round(rows / median(seconds)).toLocaleString("en")} rows/s`;

async function timeRestore(stack: Stack, owner: pg.Client, customers: number): Promise<number> {
  const transactionId = await deleteCustomers(owner, customers);
  const started = performance.now();
  const { id } = await post<{ id: string }>(stack, "/restores", {
    target: { transactionId },
    reason: "benchmark",
  });
  for (;;) {
    const run = await call<{ status: string; error: string | null }>(stack, "GET", `/restores/${id}`);
    if (run.status === "completed") break;
    if (run.status !== "running") throw new Error(`the restore is ${run.status}: ${run.error}`);
    await sleep(POLL_MS);
  }
  const seconds = (performance.now() - started) / MS_PER_S;
  await requireWhole(owner);
  return seconds;
}

async function timeInsert(owner: pg.Client, customers: number): Promise<number> {
  await deleteCustomers(owner, customers);
  const started = performance.now();
  await insertAgain(owner);
  const seconds = (performance.now() - started) / MS_PER_S;
  await requireWhole(owner);
  return seconds;
}

async function withoutCapture<T>(owner: pg.Client, work: () => Promise<T>): Promise<T> {
  await switchTriggers(owner, false);
  try {
    return await work();
  } finally {
    await switchTriggers(owner, true);
  }
}

async function requireWhole(owner: pg.Client): Promise<void> {
  const count = await countDifferences(owner);
  if (count > 0) throw new Error(`${count} rows are not what they were`);
}

async function timePreviews(stack: Stack, owner: pg.Client, rounds: number): Promise<Finding> {
  const transactionId = await deleteCustomers(owner, PREVIEW_ROWS / ROWS_OF_A_CUSTOMER);
  const seconds: number[] = [];
  let itemCount = 0;
  for (let round = 0; round <= rounds; round++) {
    const started = performance.now();
    const plan = { target: { transactionId }, reason: "benchmark" };
    ({ itemCount } = await post<{ itemCount: number }>(stack, "/restores/preview", plan));
    if (round > 0) seconds.push((performance.now() - started) / MS_PER_S);
  }
  await owner.query("insert into customers select * from side_customers on conflict do nothing");
  await owner.query("insert into venues select * from side_venues on conflict do nothing");
  await owner.query("insert into invoices select * from side_invoices on conflict do nothing");
  return {
    measure: `preview of a cascade of ${itemCount.toLocaleString("en")} rows`,
    reference: "2 s",
    ours: `${median(seconds).toFixed(2)} s`,
    ratios: seconds.map((s) => s / 2),
    target: { atMost: 1 },
  };
}

/** The most that the process ever held which serves the API and runs the workflows. */
function memoryOf(stack: Stack): Finding {
  const status = fs.readFileSync(`/proc/${stack.dev.pids.api}/status`, "utf8");
  const mb = Math.round(Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / KB_PER_MB);
  return {
    measure: "memory of the function host, at most",
    reference: "256 MB",
    ours: `${mb} MB`,
    ratios: [mb / 256],
    target: { atMost: 1 },
  };
}

const post = <T>(stack: Stack, route: string, body: unknown) => call<T>(stack, "POST", route, body);

async function call<T>({ dev }: Stack, method: string, route: string, body?: unknown): Promise<T> {
  const response = await fetch(`${dev.url}/api${route}`, {
    method,
    headers: { authorization: `Bearer ${dev.apiKey}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(`${method} ${route}: ${response.status} ${JSON.stringify(answer)}`);
  return answer as T;
}
