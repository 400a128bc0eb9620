import { spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { afterAll } from "vitest";
import { endProcess } from "../../local/processes.ts";
import type { DevFile } from "../../local/dev-file.ts";
import { databaseFolder } from "./folders.ts";

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
const root = path.resolve(import.meta.dirname, "../..");

export interface RunningStack {
  dev: DevFile;
  output: () => string;
  /** Sends a signal to the launcher alone and waits for its end; answers the exit code. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

export interface StartOptions {
  uid?: number;
  gid?: number;
  env?: Record<string, string>;
  /** Sends Ctrl-C as soon as it has printed anything. */
  interrupt?: boolean;
}

export interface StackRunner {
  dataDir: string;
  /** Runs what `npm start` runs; rejects with what it printed when it ends instead. */
  start(args?: string[], options?: StartOptions): Promise<RunningStack>;
}

/** The real start command on a folder of this test file's own; whatever is left is ended afterwards. */
export function useStack(): StackRunner {
  const dataDir = databaseFolder("afterimage-stack-");
  const started: RunningStack[] = [];
  afterAll(async () => {
    for (const { dev } of started) {
      // The launcher ends its parts, some of which have parts of their own.
      if (dev.pids.start) await endProcess(dev.pids.start, "SIGTERM", STOP_TIMEOUT_MS);
      for (const pid of Object.values(dev.pids)) await endProcess(pid, "SIGTERM");
    }
    fs.rmSync(dataDir, { recursive: true, force: true });
  });
  return {
    dataDir,
    start: async (args = [], { env = {}, interrupt = false, ...identity } = {}) => {
      const command = ["--import", "tsx", path.join(root, "local/start.ts"), "--data", dataDir, ...args];
      const child = spawn(process.execPath, command, {
        cwd: root,
        env: { ...process.env, ...env },
        stdio: ["ignore", "pipe", "pipe"],
        ...identity,
      });
      if (interrupt) child.stdout.once("data", () => child.kill("SIGINT"));
      const stack = await untilStarted(child, dataDir);
      started.push(stack);
      return stack;
    },
  };
}

async function untilStarted(child: ChildProcess, dataDir: string): Promise<RunningStack> {
  let text = "";
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not started in time:\n${text}`)), START_TIMEOUT_MS);
    const read = (chunk: Buffer) => {
      text += chunk.toString();
      if (!text.includes("Ctrl-C stops everything")) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout?.on("data", read);
    child.stderr?.on("data", read);
    void exited.then((code) => (clearTimeout(timer), reject(new Error(`ended with ${code}:\n${text}`))));
  });
  const dev = JSON.parse(fs.readFileSync(path.join(dataDir, "dev.json"), "utf8")) as DevFile;
  return {
    dev,
    output: () => text,
    end: async (signal) => {
      child.kill(signal);
      return exited;
    },
  };
}
