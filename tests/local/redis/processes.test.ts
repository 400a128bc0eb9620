import { spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { startRedis } from "../../../local/redis/index.ts";
import { commandOf, isAlive, waitForExit } from "../../../local/processes.ts";
import { clientOf, realServer, removeFolder, temporaryFolder, withoutServer } from "./support.ts";

const EXIT_MS = 15_000;
const PATIENCE = { timeout: 15_000, interval: 50 };
const readySchema = z.object({
  url: z.url(),
  token: z.string(),
  kind: z.enum(["redis-server", "memory"]),
  pids: z.array(z.int()),
});
type Ready = z.infer<typeof readySchema> & { child: ChildProcess };

const root = path.resolve(import.meta.dirname, "../../..");
let folder: string;
let children: ChildProcess[] = [];

beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(async () => {
  for (const child of children) {
    child.kill("SIGTERM");
    if (child.pid) await waitForExit(child.pid, EXIT_MS);
  }
  children = [];
  removeFolder(folder);
});

/** The process that `npm start` makes, ready to serve. */
async function startProcess(...options: string[]): Promise<Ready> {
  const args = ["--import", "tsx", "local/redis/main.ts", "--data", folder, ...options];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "inherit", "ipc"] });
  children.push(child);
  if (!child.stdout) throw new Error("no output");
  for await (const line of createInterface(child.stdout))
    return { child, ...readySchema.parse(JSON.parse(line)) };
  throw new Error("it ended before it was ready");
}

const exitOf = (child: ChildProcess) => new Promise((resolve) => child.once("exit", resolve));

describe("the process with the in-memory subset", () => {
  test("prints what to connect to and stops cleanly on SIGTERM", async () => {
    const { child, kind, pids, ...at } = await startProcess("--memory");
    expect([kind, pids]).toEqual(["memory", [child.pid]]);
    expect(await clientOf(at).ping()).toBe("PONG");
    const exit = exitOf(child);
    child.kill("SIGTERM");
    expect(await exit).toBe(0);
  });

  test("leaves Ctrl-C to its parent and ends when that goes away", async () => {
    const { child, ...at } = await startProcess("--memory");
    child.kill("SIGINT");
    expect(await clientOf(at).ping()).toBe("PONG");
    const exit = exitOf(child);
    child.disconnect();
    expect(await exit).toBe(0);
  });
});

describe.skipIf(withoutServer)(realServer, () => {
  test("keeps data and token between stop and start, and leaves no process", async () => {
    const first = await startRedis({ dataDir: folder });
    await clientOf(first).set("k", "kept", { ex: 1_000 });
    const [pid = 0] = first.pids;
    expect(commandOf(pid)).toContain("redis-server");
    await first.stop();
    expect(isAlive(pid)).toBe(false);

    const second = await startRedis({ dataDir: folder });
    try {
      expect(second.token).toBe(first.token);
      expect(await clientOf(second).get("k")).toBe("kept");
      expect(await clientOf(second).ttl("k")).toBeGreaterThan(900);
    } finally {
      await second.stop();
    }
  });

  test("hides its password: in no command line, in a file that only its owner reads", async () => {
    const redis = await startRedis({ dataDir: folder });
    try {
      const file = path.join(folder, "redis.conf");
      const password = /requirepass (\S+)/.exec(fs.readFileSync(file, "utf8"))?.[1] ?? "";
      expect(password.length).toBeGreaterThan(20);
      expect(fs.statSync(file).mode & 0o777).toBe(0o600);
      expect(commandOf(redis.pids[0] ?? 0)).not.toContain(password);
    } finally {
      await redis.stop();
    }
  });

  test("ends with the process whose parent goes away", async () => {
    const { child, pids } = await startProcess();
    const exit = exitOf(child);
    child.disconnect();
    expect(await exit).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);
  });

  test("survives kill -9 of the front: the next start ends the server left behind and has its data", async () => {
    const killed = await startProcess();
    await clientOf(killed).set("k", "acknowledged");
    const exit = exitOf(killed.child);
    killed.child.kill("SIGKILL");
    await exit;
    const server = killed.pids[1] ?? 0;
    expect(commandOf(server)).toContain("redis-server 127.0.0.1");

    const next = await startProcess("--port", new URL(killed.url).port);
    expect(next).toMatchObject({ url: killed.url, token: killed.token });
    expect(commandOf(server)).not.toContain("127.0.0.1");
    expect(await clientOf(next).get("k")).toBe("acknowledged");
  });

  test("survives kill -9 of redis-server: the front starts it again with every acknowledged write", async () => {
    const redis = await startRedis({ dataDir: folder });
    try {
      const client = clientOf(redis);
      const [pid = 0] = redis.pids;
      const writes = Array.from({ length: 200 }, (_, i) => client.set(`k${i}`, i));
      expect(new Set(await Promise.all(writes))).toEqual(new Set(["OK"]));
      process.kill(pid, "SIGKILL");
      await vi.waitFor(() => expect(redis.pids).not.toEqual([pid]), PATIENCE);
      expect(await client.dbsize()).toBe(200);
      expect(redis.pids.every(isAlive)).toBe(true);
    } finally {
      await redis.stop();
    }
  });

  test("survives kill -9 of both", async () => {
    const killed = await startProcess();
    await clientOf(killed).set("k", "acknowledged");
    const exit = exitOf(killed.child);
    // The front first: it would start its server again.
    for (const pid of killed.pids) process.kill(pid, "SIGKILL");
    await exit;
    const next = await startProcess();
    expect(await clientOf(next).get("k")).toBe("acknowledged");
  });

  test("is refused a folder that is in use, by a name and with a way out", async () => {
    const first = await startRedis({ dataDir: folder });
    try {
      await expect(startRedis({ dataDir: folder })).rejects.toThrow(/in use by process \d+: stop that first/);
      expect(await clientOf(first).ping()).toBe("PONG");
    } finally {
      await first.stop();
    }
  });

  test("leaves a stranger alone whose process has the number of a server that is gone", async () => {
    const stranger = spawn("sleep", ["60"], { stdio: "ignore" });
    const left = { pid: stranger.pid, port: 6379, configFile: "/x", owner: 999_999, ownerCommand: "node" };
    fs.writeFileSync(path.join(folder, "redis-server.pid"), JSON.stringify(left));
    const redis = await startRedis({ dataDir: folder });
    try {
      expect(isAlive(stranger.pid ?? 0)).toBe(true);
    } finally {
      await redis.stop();
      stranger.kill();
    }
  });
});
