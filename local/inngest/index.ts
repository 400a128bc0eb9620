import { serve, type ServerType } from "@hono/node-server";
import type { AddressInfo } from "node:net";
import { backoff } from "./backoff.ts";
import { Database } from "./database.ts";
import { logToStderr, type Log } from "./log.ts";
import { Registry } from "./registry.ts";
import { Scheduler } from "./scheduler.ts";
import { routes } from "./server.ts";
import { keepSynced } from "./sync.ts";

const HOST = "127.0.0.1";
/** How long apps named in `appUrls` may take to start before calls are made to them regardless. */
const HOLD_MAX_MS = 15_000;

interface InngestOptions {
  /** Where runs are kept, in the schema `inngest`, which is made when missing. The role must own it. */
  databaseUrl: string;
  /** 0, the default, takes any free port. Throws EADDRINUSE for one that is taken. */
  port?: number;
  /** URLs of `serve()` endpoints to register, as with `inngest-cli dev -u`. */
  appUrls?: readonly string[];
  /** Waits between attempts in milliseconds, the last repeating; Inngest's own schedule by default. */
  retryBackoffMs?: readonly number[];
  /** Whether the SDK may run steps back to back and report each. True by default, as on Inngest's server. */
  checkpointing?: boolean;
  log?: Log;
}

export interface InngestServer {
  url: string;
  port: number;
  stop(): Promise<void>;
}

/**
 * Starts an executor on loopback that speaks the protocol of Inngest's dev server. Point the SDK at it
 * with `INNGEST_DEV=<url>`. It survives `kill -9`: the next one on the same database goes on with the
 * runs, and one that is still alive is waited for.
 */
export async function startInngest(options: InngestOptions): Promise<InngestServer> {
  const { databaseUrl, log = logToStderr } = options;
  const database = new Database(databaseUrl, log);
  const registry = new Registry(database, log);
  const unsynced = new Set(options.appUrls);
  const holdEndsAt = Date.now() + HOLD_MAX_MS;
  const scheduler = new Scheduler({
    database,
    databaseUrl,
    registry,
    backoff: backoff(options.retryBackoffMs),
    checkpointing: options.checkpointing ?? true,
    held: () => unsynced.size > 0 && Date.now() < holdEndsAt,
    log,
  });
  const server = await openServer(options, database, registry, scheduler, log).catch(
    async (error: unknown) => {
      await database.close();
      throw error;
    },
  );
  const { port } = server.address() as AddressInfo;
  const syncing = new AbortController();
  const syncs = (options.appUrls ?? []).map((appUrl) =>
    keepSynced(appUrl, log, syncing.signal, () => {
      if (unsynced.delete(appUrl)) scheduler.wake();
    }),
  );
  scheduler.start();
  return {
    url: `http://${HOST}:${port}`,
    port,
    async stop() {
      syncing.abort();
      await Promise.all(syncs);
      await scheduler.stop();
      await closeServer(server);
      await database.close();
    },
  };
}

async function openServer(
  options: InngestOptions,
  database: Database,
  registry: Registry,
  scheduler: Scheduler,
  log: Log,
): Promise<ServerType> {
  await database.migrate();
  await registry.load();
  const app = routes({ database, registry, log, wake: () => scheduler.wake() });
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname: HOST, port: options.port ?? 0 }, () =>
      resolve(server),
    );
    server.once("error", reject);
  });
}

async function closeServer(server: ServerType): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  if ("closeAllConnections" in server) server.closeAllConnections();
  await closed;
}
