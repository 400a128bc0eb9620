import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../ports.ts";
import { endProcess } from "../processes.ts";
import type { Backend } from "./backend.ts";
import { connectRedis, type Address } from "./connection.ts";
import { claimFolder, type Claim } from "./claim.ts";

const PROGRAM = "redis-server";
const CONFIG_FILE = "redis.conf";
const LOG_FILE = "redis-server.log";
const VERSION_TIMEOUT_MS = 5_000;
const START_TIMEOUT_MS = 15_000;
const START_ATTEMPTS = 3;
const STOP_GRACE_MS = 10_000;
const POLL_MS = 20;
/** A server that dies by itself is started again this many times in a row, after a growing pause. */
const MAX_RESTARTS = 10;
const RESTART_PAUSE_MS = 100;
const RESTART_PAUSE_MAX_MS = 5_000;

interface RedisServer {
  backend: Backend;
  /** The process of the running server; another one after it was started again. */
  pid(): number;
  stop(): Promise<void>;
}

/** True when a `redis-server` is on the PATH and can be run. */
export function hasRedisServer(): boolean {
  try {
    return /server/i.test(
      execFileSync(PROGRAM, ["--version"], { encoding: "utf8", stdio: "pipe", timeout: VERSION_TIMEOUT_MS }),
    );
  } catch {
    return false;
  }
}

/**
 * Starts a real redis-server on a free loopback port with its append-only file in `dataDir`, under a
 * password that lives as long as this start. Ends a server that a killed start left on the folder, and
 * starts the server again when it dies. Throws when the folder is in use or the server does not start.
 */
export async function startServer(dataDir: string): Promise<RedisServer> {
  const claim = await claimFolder(dataDir);
  const address: Address = { port: 0, password: randomBytes(24).toString("base64url") };
  let stopping = false;
  let child: ChildProcess;
  let reviving: Promise<void> | null = null;

  const watch = (server: ChildProcess) => {
    server.once("exit", () => {
      if (!stopping) reviving = revive();
    });
  };
  const revive = async () => {
    for (let attempt = 0; attempt < MAX_RESTARTS && !stopping; attempt++) {
      await sleep(Math.min(RESTART_PAUSE_MS * 2 ** attempt, RESTART_PAUSE_MAX_MS));
      if (stopping) return;
      const revived = await launch(dataDir, address, claim).catch(() => null);
      if (revived === null) continue;
      child = revived;
      return watch(child);
    }
  };

  try {
    child = await launch(dataDir, address, claim);
  } catch (error) {
    claim.release();
    throw error;
  }
  watch(child);
  const backend = connectRedis(() => address);
  return {
    backend,
    pid: () => child.pid ?? 0,
    async stop() {
      stopping = true;
      backend.close();
      await reviving;
      await end(child);
      claim.release();
    },
  };
}

async function launch(dataDir: string, address: Address, claim: Claim): Promise<ChildProcess> {
  const configFile = path.join(dataDir, CONFIG_FILE);
  for (let attempt = 1; ; attempt++) {
    address.port = await freePort(address.port);
    fs.writeFileSync(configFile, configuration(address), { mode: 0o600 });
    const log = fs.openSync(path.join(dataDir, LOG_FILE), "a", 0o600);
    const child = spawn(PROGRAM, [configFile], {
      cwd: dataDir,
      stdio: ["ignore", log, log],
      // Ctrl-C reaches the whole process group; only the launcher may decide when Redis stops.
      detached: true,
    });
    child.on("error", () => undefined);
    fs.closeSync(log);
    if (child.pid) claim.record({ pid: child.pid, port: address.port, configFile });
    if (await answers(child, address)) return child;
    await end(child);
    if (attempt === START_ATTEMPTS)
      throw new Error(`redis-server did not start; see ${LOG_FILE} in ${dataDir}`);
  }
}

/**
 * Without fsync every write is handed to the operating system before it is acknowledged, so a killed server
 * loses nothing. With "everysec" Redis keeps writes back while an fsync runs: kill -9 then lost 189 of 200.
 */
function configuration({ port, password }: Address): string {
  return `bind 127.0.0.1
port ${port}
requirepass ${password}
dir ./
daemonize no
loglevel warning
save ""
appendonly yes
appendfsync no
`;
}

async function answers(child: ChildProcess, address: Address): Promise<boolean> {
  const probe = connectRedis(() => address);
  const deadline = Date.now() + START_TIMEOUT_MS;
  try {
    // A server that still loads its file answers PING with an error.
    while (child.pid && child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
      if ((await probe.call(["PING"]).catch(() => null)) === "PONG") return true;
      await sleep(POLL_MS);
    }
    return false;
  } finally {
    probe.close();
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (!child.pid || child.exitCode !== null || child.signalCode !== null) return;
  await endProcess(child.pid, "SIGTERM", STOP_GRACE_MS);
}
