import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { writeWhole } from "../dev-file.ts";
import { freePort } from "../ports.ts";
import { commandOf, endProcess, isAlive, waitForExit } from "../processes.ts";
import { identity, postgresBinaries } from "./binaries.ts";

const SUPERUSER = "postgres";
const START_TIMEOUT_MS = 30_000;
const START_ATTEMPTS = 3;
const STOP_TIMEOUT_MS = 15_000;
const POLL_MS = 30;

export interface PostgresServer {
  port: number;
  /** Another one after the server died and was started again. */
  readonly pid: number;
  /** Connection string of the superuser, or of `user` with `password`. */
  url(database?: string, user?: string, password?: string): string;
  stop(): Promise<void>;
}

interface PostgresOptions {
  /** Folder for data, log and password; made when missing. */
  dataDir: string;
  /** Wanted port; another one is taken when it is in use. 0 picks any. */
  port?: number;
  /** Server settings, as in postgresql.conf. */
  settings?: Record<string, string>;
  /** Called with the process id, at the start and after each restart. */
  onStart?: (pid: number) => void;
  /** Called when the server died; with an error when it could not be started again. */
  onDeath?: (error?: unknown) => void;
}

/**
 * Starts a real PostgreSQL 18 on loopback from the npm package's binaries. A server that a killed
 * start left running on the same folder is ended first; its data is recovered by Postgres itself.
 * One that dies is started again on the same port.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const home = path.resolve(options.dataDir);
  const data = path.join(home, "data");
  const binaries = postgresBinaries();
  const password = await initialise(binaries, home, data);
  await endLeftover(data);
  const port = await freePort(options.port);
  const url = (database = "postgres", user = SUPERUSER, secret = password) =>
    `postgresql://${user}:${encodeURIComponent(secret)}@127.0.0.1:${port}/${database}`;
  const start = () => launch(binaries, home, data, port, options.settings ?? {}, url());
  let child = await start();
  options.onStart?.(child.pid ?? 0);
  let isStopping = false;
  const watch = async (): Promise<void> => {
    await new Promise((resolve) => child.once("exit", resolve));
    if (isStopping) return;
    options.onDeath?.();
    child = await start();
    options.onStart?.(child.pid ?? 0);
    return watch();
  };
  void watch().catch((error: unknown) => options.onDeath?.(error));
  return {
    port,
    get pid() {
      return child.pid ?? 0;
    },
    url,
    stop: () => {
      isStopping = true;
      return stop(child);
    },
  };
}

/** Makes the cluster once; a half-made one from an interrupted start is removed. Returns the password. */
async function initialise(binaries: string, home: string, data: string): Promise<string> {
  const passwordFile = path.join(home, "superuser-password");
  if (fs.existsSync(passwordFile)) return fs.readFileSync(passwordFile, "utf8");
  fs.rmSync(data, { recursive: true, force: true });
  fs.mkdirSync(data, { recursive: true, mode: 0o700 });
  own(data);
  const password = randomBytes(18).toString("base64url");
  const handover = path.join(home, "initdb-password");
  fs.writeFileSync(handover, password, { mode: 0o600 });
  own(handover);
  try {
    await initdb(binaries, data, handover);
  } finally {
    fs.rmSync(handover, { force: true });
  }
  writeWhole(passwordFile, password);
  return password;
}

async function initdb(binaries: string, data: string, passwordFile: string): Promise<void> {
  const args = ["-U", SUPERUSER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"];
  const input = fs.openSync(passwordFile, "r");
  const child = spawn(path.join(binaries, "bin/initdb"), [...args, "--pwfile=/dev/stdin", "-D", here(data)], {
    ...identity,
    cwd: workingFolder(data),
    stdio: [input, "ignore", "pipe"],
    detached: true,
  });
  fs.closeSync(input);
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
  if (code !== 0) throw new Error(`PostgreSQL could not make its data folder ${data}: ${said.trim()}`);
}

function own(folder: string): void {
  if (identity.uid !== undefined && identity.gid !== undefined)
    fs.chownSync(folder, identity.uid, identity.gid);
}

/**
 * Under root the server's user may be unable to walk to a data folder inside a 0700 checkout. The
 * launcher can: it enters the folder before it gives up its rights, and the server stays where it is.
 */
function here(data: string): string {
  return identity.uid !== undefined && process.platform === "linux" ? "/proc/self/cwd" : data;
}

function workingFolder(data: string): string {
  return here(data) === data ? "/" : data;
}

async function endLeftover(data: string): Promise<void> {
  const pid = serverPid(data);
  if (pid === null || !isAlive(pid) || !/postgres/.test(commandOf(pid))) return;
  await endProcess(pid, "SIGINT", STOP_TIMEOUT_MS);
}

function serverPid(data: string): number | null {
  try {
    const pid = Number.parseInt(fs.readFileSync(path.join(data, "postmaster.pid"), "utf8"), 10);
    return Number.isInteger(pid) && pid > 1 ? pid : null;
  } catch {
    return null;
  }
}

async function launch(
  binaries: string,
  home: string,
  data: string,
  port: number,
  settings: Record<string, string>,
  url: string,
): Promise<ChildProcess> {
  const logFile = path.join(home, "postgres.log");
  const args = ["-D", here(data), "-p", String(port), "-h", "127.0.0.1", "-k", ""];
  for (const [name, value] of Object.entries(settings)) args.push("-c", `${name}=${value}`);
  // Orphaned backends of a killed server hold its shared memory for a moment, so one failure is not the end.
  for (let attempt = 1; ; attempt++) {
    const log = fs.openSync(logFile, "a");
    const child = spawn(path.join(binaries, "bin/postgres"), args, {
      ...identity,
      cwd: workingFolder(data),
      stdio: ["ignore", log, log],
      // Ctrl-C reaches the whole process group; only the launcher may decide when Postgres stops.
      detached: true,
    });
    fs.closeSync(log);
    if (await accepts(child, url)) return child;
    if (attempt === START_ATTEMPTS) {
      const tail = fs.readFileSync(logFile, "utf8").trim().split("\n").slice(-5).join("\n");
      throw new Error(`PostgreSQL did not start; the last lines of ${logFile}:\n${tail}`);
    }
    await sleep(1_000);
  }
}

async function accepts(child: ChildProcess, url: string): Promise<boolean> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.end();
      return true;
    } catch {
      await sleep(POLL_MS);
    }
  }
  if (child.pid) await endProcess(child.pid, "SIGINT");
  return false;
}

async function stop(child: ChildProcess): Promise<void> {
  if (!child.pid || child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGINT");
  if (!(await waitForExit(child.pid, STOP_TIMEOUT_MS))) child.kill("SIGQUIT");
}
