import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { commandOf, isAlive } from "../processes.ts";

const PID_FILE = "redis-server.pid";
const POLL_MS = 50;
/** A start that was killed a moment ago may have a front that is still stopping. */
const OWNER_WAIT_MS = 15_000;
const SERVER_GRACE_MS = 10_000;

const serverSchema = z.object({ pid: z.int().min(2), port: z.int(), configFile: z.string() });
const recordSchema = serverSchema.extend({ owner: z.int().min(1), ownerCommand: z.string() });
type Server = z.infer<typeof serverSchema>;
type Claimed = z.infer<typeof recordSchema>;

export interface Claim {
  /** Notes the server now running, so that a later start finds it when this process is killed. */
  record(server: Server): void;
  release(): void;
}

const claimedHere = new Set<string>();

/**
 * Makes this process the only one that runs a server on the folder: two servers would spoil one
 * append-only file. Ends the server of an owner that is gone; throws while the owner lives.
 */
export async function claimFolder(dataDir: string): Promise<Claim> {
  const file = path.join(dataDir, PID_FILE);
  const deadline = Date.now() + OWNER_WAIT_MS;
  if (claimedHere.has(dataDir)) throw inUse(dataDir, process.pid);
  claimedHere.add(dataDir);
  try {
    for (let left = read(file); left !== null && ownerLives(left); left = read(file)) {
      if (Date.now() > deadline) throw inUse(dataDir, left.owner);
      await sleep(POLL_MS);
    }
    const left = read(file);
    if (left !== null) await endServer(left);
  } catch (error) {
    claimedHere.delete(dataDir);
    throw error;
  }
  const owner = { owner: process.pid, ownerCommand: commandOf(process.pid) };
  return {
    record: (server) => fs.writeFileSync(file, JSON.stringify({ ...owner, ...server }), { mode: 0o600 }),
    release() {
      fs.rmSync(file, { force: true });
      claimedHere.delete(dataDir);
    },
  };
}

function inUse(dataDir: string, pid: number): Error {
  return new Error(
    `Redis in ${dataDir} is in use by process ${pid}: stop that first, or choose another folder.`,
  );
}

function read(file: string): Claimed | null {
  try {
    return recordSchema.parse(JSON.parse(fs.readFileSync(file, "utf8")));
  } catch {
    return null;
  }
}

// The numbers of processes are used again, after a restart of a container even at once: compare commands, too.
function ownerLives({ owner, ownerCommand }: Claimed): boolean {
  return owner !== process.pid && isAlive(owner) && commandOf(owner) === ownerCommand;
}

// A server whose parent was killed may stay a zombie for long, or for ever in a container without an init:
// it counts as gone when its command line is.
async function endServer(left: Claimed): Promise<void> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const deadline = Date.now() + SERVER_GRACE_MS;
    if (isServer(left)) process.kill(left.pid, signal);
    while (isServer(left) && Date.now() < deadline) await sleep(POLL_MS);
  }
}

function isServer({ pid, port, configFile }: Claimed): boolean {
  if (!isAlive(pid)) return false;
  const command = commandOf(pid);
  // redis-server renames its process to its address once it listens.
  return command.includes(`redis-server 127.0.0.1:${port}`) || command.includes(configFile);
}
