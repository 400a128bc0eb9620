import { spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../local/ports.ts";
import { endProcess } from "../../local/processes.ts";

const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 50;
const ANSWER_TIMEOUT_MS = 30_000;
const root = path.resolve(import.meta.dirname, "../..");

/** What the caller's own environment must not put in place of the parts that are measured. */
const CLEARED = Object.fromEntries(
  [
    "NEON_LOCAL_PROXY",
    "UPSTASH_REDIS_REST_URL",
    "UPSTASH_REDIS_REST_TOKEN",
    "DATABASE_POOL_SIZE",
    "LOG_LEVEL",
    "VERCEL_ENV",
    "INNGEST_BASE_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "NODE_OPTIONS",
  ].map((name) => [name, ""]),
);

export interface ApiOptions {
  env: Record<string, string>;
  keys: readonly string[];
  logFile: string;
  /** The server as JavaScript, run by plain Node, in place of its source: a bundle of `local/serve.ts`. */
  server?: string | undefined;
  /** Writes a CPU profile into this folder when the process ends. */
  profileDir?: string | undefined;
}

export interface MemoryUse {
  /** Bytes. */
  rss: number;
  heapUsed: number;
}

/** The API as `npm start` runs it: a process of its own that serves both functions. */
export interface Api {
  url: string;
  pid: number;
  keys: readonly string[];
  /** Its request log: one line of JSON each. */
  logFile: string;
  /** Its memory after a garbage collection. */
  memory(): Promise<MemoryUse>;
  stop(): Promise<void>;
}

export async function startApi({ env, keys, logFile, server, profileDir }: ApiOptions): Promise<Api> {
  const port = await freePort();
  fs.rmSync(logFile, { force: true });
  const log = fs.openSync(logFile, "a", 0o600);
  const profile = profileDir === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", profileDir];
  const preload = path.join(import.meta.dirname, "report-memory.js");
  const run =
    server === undefined
      ? ["--import", "tsx", "--import", preload, "local/serve.ts"]
      : ["--import", preload, server];
  const child = spawn(
    process.execPath,
    ["--expose-gc", ...profile, ...run, "--port", String(port)],
    // Its output goes straight to a file: a pipe would be read by the process that makes the load.
    { cwd: root, env: { ...process.env, ...CLEARED, ...env }, stdio: ["ignore", log, log, "ipc"] },
  );
  fs.closeSync(log);
  const pid = child.pid ?? 0;
  const url = `http://127.0.0.1:${port}`;
  await untilAnswers(child, url, logFile);
  return {
    url,
    pid,
    keys,
    logFile,
    memory: () => ask(child),
    stop: () => endProcess(pid, "SIGTERM", READY_TIMEOUT_MS),
  };
}

async function untilAnswers(child: ChildProcess, url: string, logFile: string): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
    const response = await fetch(`${url}/api/health`).catch(() => null);
    await response?.arrayBuffer();
    if (response?.ok) return;
    await sleep(READY_POLL_MS);
  }
  child.kill("SIGKILL");
  throw new Error(
    `The API did not start; the end of its log:\n${fs.readFileSync(logFile, "utf8").slice(-2_000)}`,
  );
}

function ask(child: ChildProcess): Promise<MemoryUse> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the API did not tell its memory")), ANSWER_TIMEOUT_MS);
    child.once("message", (message) => {
      clearTimeout(timer);
      resolve(message as MemoryUse);
    });
    child.send("memory");
  });
}
