import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readDevFile } from "../local/dev-file.ts";
import { freePort } from "../local/ports.ts";
import { waitForExit } from "../local/processes.ts";
import type { Finding, Measure } from "./support/measure.ts";
import { makeEvents } from "./support/rows.ts";
import { median } from "./support/statistics.ts";

const POLL_MS = 10;
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 30_000;
const MS_PER_S = 1_000;
const root = path.resolve(import.meta.dirname, "..");

interface Times {
  /** Milliseconds from the command to the first 200 of /api/health, and to the first stored event. */
  health: number;
  stored: number;
}

/** From `npm start` to an answer: without anything kept, and on the folder that the start before left. */
export const start: Measure = {
  name: "start",
  title: "Start",
  run: async ({ stage, sizes }) => {
    const times: { cold: Times[]; warm: Times[] } = { cold: [], warm: [] };
    for (let round = 0; round < sizes.starts; round++) {
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-bench-start-"));
      try {
        times.cold.push(await startOnce(folder));
        times.warm.push(await startOnce(folder));
      } finally {
        fs.rmSync(folder, { recursive: true, force: true });
      }
      stage.say(`  start ${round + 1} of ${sizes.starts}`);
    }
    return {
      findings: (["cold", "warm"] as const).flatMap((kind) => [
        finding(
          `${kind}: first 200 of /api/health`,
          times[kind].map(({ health }) => health),
        ),
        finding(
          `${kind}: first event stored`,
          times[kind].map(({ stored }) => stored),
        ),
      ]),
      notes: [
        "From the command `npm start` on. Cold: no data folder and no cache of compiled files, so initdb and all migrations are in it; the operating system's cache of the files is not emptied. Warm: again on the same folder.",
      ],
    };
  },
};

function finding(measure: string, ms: readonly number[]): Finding {
  const text = (value: number) => (value / MS_PER_S).toFixed(1);
  const ours = `${text(median(ms))} s [${text(Math.min(...ms))}–${text(Math.max(...ms))}]`;
  return { measure, reference: "", ours, ratios: [] };
}

async function startOnce(folder: string): Promise<Times> {
  const dataDir = path.join(folder, "data");
  // tsx keeps what it compiled in the temporary folder.
  const temporary = path.join(folder, "tmp");
  fs.mkdirSync(temporary, { recursive: true });
  fs.chmodSync(folder, 0o755);
  const port = await freePort();
  const started = performance.now();
  const log = fs.openSync(path.join(folder, "npm-start.log"), "w");
  const child = spawn("npm", ["start", "--", "--port", String(port), "--data", dataDir], {
    cwd: root,
    env: {
      ...process.env,
      TMPDIR: temporary,
      DATABASE_URL: "",
      UPSTASH_REDIS_REST_URL: "",
      INNGEST_DEV: "",
      INNGEST_BASE_URL: "",
    },
    stdio: ["ignore", log, log],
    // A group of its own, so that it is stopped as Ctrl-C would.
    detached: true,
  });
  fs.closeSync(log);
  const stop = () => stopGroup(child);
  process.once("exit", stop);
  try {
    const url = `http://127.0.0.1:${port}`;
    await until(child, async () => (await fetch(`${url}/api/health`)).ok);
    const health = performance.now() - started;
    await until(child, async () => post(url, readDevFile(dataDir)?.apiKey));
    return { health, stored: performance.now() - started };
  } finally {
    process.off("exit", stop);
    stop();
    await waitForExit(child.pid ?? 0, STOP_TIMEOUT_MS);
  }
}

function stopGroup(child: ChildProcess): void {
  if (child.pid && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, "SIGINT");
}

async function until(child: ChildProcess, isDone: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline && child.exitCode === null) {
    if (await isDone().catch(() => false)) return;
    await sleep(POLL_MS);
  }
  throw new Error("npm start did not answer in time");
}

async function post(url: string, key: string | undefined): Promise<boolean> {
  if (key === undefined) return false;
  const [event] = makeEvents(1, 1, { workspaces: 1 });
  const response = await fetch(`${url}/api/audit/log`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      "idempotency-key": randomUUID(),
    },
    body: JSON.stringify(event),
  });
  await response.arrayBuffer();
  return response.ok;
}
