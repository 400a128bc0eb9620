import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { freePort } from "../ports.ts";
import type { Backend } from "./backend.ts";
import { startFront, type Front } from "./front.ts";
import { startMemory } from "./memory/index.ts";
import { hasRedisServer, startServer } from "./server.ts";

const TOKEN_FILE = "redis-token";
const TOKEN_BYTES = 24;
const LISTEN_ATTEMPTS = 3;

interface RedisOptions {
  /** Folder for the token and the server's data, configuration and log; made when missing. */
  dataDir: string;
  /** Wanted port of the REST front; another one is taken when it is in use. 0 picks any. */
  port?: number;
  /** Use the in-memory subset even where a redis-server is installed. */
  forceMemory?: boolean;
}

export interface LocalRedis {
  /** What UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN take. The token stays the same between starts. */
  url: string;
  token: string;
  /** "memory" keeps nothing between starts. */
  kind: "redis-server" | "memory";
  /** Processes beside this one, as of now: the redis-server, or none. */
  readonly pids: number[];
  stop(): Promise<void>;
}

/**
 * Starts Upstash's REST interface on loopback, over a real redis-server when one is on the PATH, else
 * over an in-memory subset (see `memory/index.ts` for what that leaves out).
 * Throws when another living process uses the folder or the server does not start.
 */
export async function startRedis(options: RedisOptions): Promise<LocalRedis> {
  const dataDir = path.resolve(options.dataDir);
  fs.mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const token = keptToken(path.join(dataDir, TOKEN_FILE));
  const real = !options.forceMemory && hasRedisServer();
  const server = real ? await startServer(dataDir) : startMemoryServer();
  try {
    const front = await listen(server.backend, token, options.port ?? 0);
    return {
      url: `http://127.0.0.1:${front.port}`,
      token,
      kind: real ? "redis-server" : "memory",
      get pids() {
        return server.pid() === null ? [] : [server.pid() as number];
      },
      async stop() {
        await front.close();
        await server.stop();
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function startMemoryServer() {
  const backend = startMemory();
  return { backend, pid: () => null, stop: async () => backend.close() };
}

function keptToken(file: string): string {
  const kept = fs.existsSync(file) ? fs.readFileSync(file, "utf8").trim() : "";
  if (kept.length >= TOKEN_BYTES) return kept;
  const token = randomBytes(TOKEN_BYTES).toString("base64url");
  fs.writeFileSync(file, token, { mode: 0o600 });
  return token;
}

async function listen(backend: Backend, token: string, wanted: number): Promise<Front> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startFront(backend, token, await freePort(attempt === 1 ? wanted : 0));
    } catch (error) {
      // Between asking for a free port and listening on it, somebody else may have taken it.
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || attempt === LISTEN_ATTEMPTS) throw error;
    }
  }
}
