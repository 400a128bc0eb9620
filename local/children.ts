import { spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { waitForExit } from "./processes.ts";

const READY_TIMEOUT_MS = 60_000;
const RESTART_MS = 500;
const RESTART_MS_MAX = 15_000;
const STOP_TIMEOUT_MS = 10_000;

interface ChildOptions {
  name: string;
  /** The file to run, below local/. */
  file: string;
  args?: string[];
  env?: Record<string, string>;
  /** Where its output goes. */
  logFile: string;
  /** Called with the process id, at the start and after each restart. */
  onStart?: (pid: number, ready: Record<string, unknown>) => void;
  /** Said to the person at the terminal. */
  say: (line: string) => void;
}

export interface Child {
  /** The line of JSON that it printed when it was ready. */
  ready: Record<string, unknown>;
  stop(): Promise<void>;
}

/**
 * Runs a part of the stack as a process of its own and starts it again when it dies. It prints one line of JSON when it
 * is ready, ends on SIGTERM, and ends by itself when this process is gone (its IPC channel closes).
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  let stopping = false;
  let { child, exited } = launch(options);
  const ready = await untilReady(child, options);
  options.onStart?.(child.pid ?? 0, ready);

  const watch = async (): Promise<void> => {
    for (let failures = 0; !stopping;) {
      await exited;
      if (stopping) return;
      options.say(`${options.name} ended unexpectedly; starting it again (its log: ${options.logFile})`);
      await sleep(Math.min(RESTART_MS * 2 ** failures, RESTART_MS_MAX));
      if (stopping) return;
      ({ child, exited } = launch(options));
      try {
        options.onStart?.(child.pid ?? 0, await untilReady(child, options));
        failures = 0;
      } catch (error) {
        failures++;
        if (!stopping) options.say(error instanceof Error ? error.message : String(error));
      }
    }
  };
  void watch();

  return {
    ready,
    stop: async () => {
      stopping = true;
      if (!child.pid || child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      if (!(await waitForExit(child.pid, STOP_TIMEOUT_MS))) child.kill("SIGKILL");
    },
  };
}

function launch({ file, args = [], env = {}, logFile }: ChildOptions): {
  child: ChildProcess;
  exited: Promise<void>;
} {
  const log = fs.openSync(logFile, "a", 0o600);
  const child = spawn(process.execPath, ["--import", "tsx", path.join(import.meta.dirname, file), ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", log, "ipc"],
  });
  fs.closeSync(log);
  // Asked for at once: an end that comes before anyone listens would be missed.
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return { child, exited };
}

/** The first line of standard output is for us; what follows goes to the log. */
async function untilReady(child: ChildProcess, options: ChildOptions): Promise<Record<string, unknown>> {
  const lines = readline.createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const log = fs.createWriteStream(options.logFile, { flags: "a", mode: 0o600 });
  log.on("error", () => undefined);
  return new Promise((resolve, reject) => {
    const fail = (why: string) =>
      reject(new Error(`${options.name} did not start (${why}); its log: ${options.logFile}`));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail("no answer in time");
    }, READY_TIMEOUT_MS);
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      fail(`it ended with ${signal ?? code}`);
    });
    let isReady = false;
    lines.on("line", (line) => {
      if (isReady) return void log.write(`${line}\n`);
      isReady = true;
      clearTimeout(timer);
      resolve(JSON.parse(line) as Record<string, unknown>);
    });
    lines.on("close", () => log.end());
  });
}

/** For a child: ends with its parent, and leaves Ctrl-C, which reaches the whole group, to the parent. */
export function endWithParent(stop: () => Promise<void>): void {
  let isStopping = false;
  const end = () => {
    if (isStopping) return;
    isStopping = true;
    void stop().finally(() => process.exit(0));
  };
  process.on("SIGTERM", end);
  if (process.send === undefined) {
    process.on("SIGINT", end);
    return;
  }
  process.on("SIGINT", () => undefined);
  process.on("disconnect", end);
  if (!process.connected) end();
}
