import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import pg from "pg";
import { migrate } from "../../db/migrate.ts";
import { startChild } from "../../local/children.ts";
import { ADMIN, createAdminAndDatabase, rolePasswords, type RolePasswords } from "../../local/database.ts";
import { firstApiKey } from "../../local/first-key.ts";
import { lockFolder } from "../../local/lock.ts";
import { startPostgres, type PostgresServer } from "../../local/postgres/index.ts";
import { freePort } from "../../local/ports.ts";
import { startApi, type Api } from "./api-process.ts";

/** How the API reaches its database, and whether it counts requests in Redis. */
export type Variant = "pg" | "neon" | "pg + redis";

/** Reads are limited to far fewer than a benchmark sends, so those with Redis take no part in measures that read. */
export const uncounted = (variants: readonly Variant[]) => variants.filter((one) => one !== "pg + redis");

/** One key is what an application has. Where its requests are counted, several keep the limits out of what is measured. */
const KEYS = 8;
const SHARED_BUFFERS_MB_MAX = 1_024;
/** Postgres' own advice: a quarter of the memory. */
const SHARED_BUFFERS_SHARE = 0.25;
const BYTES_PER_MB = 1_048_576;

export interface StageOptions {
  dataDir: string;
  say: (line: string) => void;
  profileDir?: string | undefined;
  /** More settings of the server; a smoke test needs no fsync. */
  settings?: Record<string, string>;
}

export interface BenchDatabase {
  name: string;
  /** As audit_app, past any proxy. */
  appUrl: string;
  /** As audit_worker. */
  workerUrl: string;
  superuserUrl: string;
  keys: readonly string[];
  /** Rows of one statement, as the superuser. */
  query<T extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<T[]>;
}

/** A server of its own with databases, and the API's processes on them; whatever was started ends with `stop`. */
export class Stage {
  readonly dataDir: string;
  readonly say: (line: string) => void;
  readonly #options: StageOptions;
  readonly #server: PostgresServer;
  readonly #passwords: RolePasswords;
  readonly #unlock: () => void;
  readonly #running: { stop(): Promise<void> }[];
  #parts = 0;

  private constructor(options: StageOptions, server: PostgresServer, unlock: () => void) {
    this.dataDir = options.dataDir;
    this.say = options.say;
    this.#options = options;
    this.#server = server;
    this.#running = [server];
    this.#unlock = unlock;
    this.#passwords = rolePasswords(options.dataDir);
  }

  static async open(options: StageOptions): Promise<Stage> {
    fs.mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
    const unlock = lockFolder(options.dataDir);
    try {
      const settings = { shared_buffers: `${sharedBuffersMb()}MB`, ...options.settings };
      const server = await startPostgres({ dataDir: path.join(options.dataDir, "postgres"), settings });
      return new Stage(options, server, unlock);
    } catch (error) {
      unlock();
      throw error;
    }
  }

  /** A migrated database with keys; `fresh` makes it anew, else the one that an earlier run left is used. */
  async database(name: string, { fresh }: { fresh: boolean }): Promise<BenchDatabase> {
    const superuserUrl = this.#server.url(name);
    if (fresh)
      await withClient(this.#server.url(), (client) =>
        client.query(`drop database if exists ${name} with (force)`),
      );
    await createAdminAndDatabase(this.#server, name, this.#passwords.afterimage_admin);
    await migrate({
      url: this.#server.url(name, ADMIN, this.#passwords.afterimage_admin),
      passwords: this.#passwords,
    });
    const appUrl = this.#server.url(name, "audit_app", this.#passwords.audit_app);
    const keys: string[] = [];
    for (let i = 0; i < KEYS; i++)
      keys.push(await firstApiKey(appUrl, path.join(this.dataDir, `key-${name}-${i}`)));
    return {
      name,
      appUrl,
      workerUrl: this.#server.url(name, "audit_worker", this.#passwords.audit_worker),
      superuserUrl,
      keys,
      query: async <T extends pg.QueryResultRow>(text: string, values?: unknown[]) =>
        (await withClient(superuserUrl, (client) => client.query<T>(text, values))).rows,
    };
  }

  /** An API process on a database, of its source or of a bundle; ends with `stopApis`. */
  async api(
    database: BenchDatabase,
    variant: Variant,
    more: Record<string, string> = {},
    server?: string,
  ): Promise<Api> {
    const worker = database.workerUrl;
    const env = {
      DATABASE_URL: database.appUrl,
      WORKER_DATABASE_URL: worker,
      // No workflow is asked for here, so nothing has to answer.
      INNGEST_DEV: "http://127.0.0.1:9",
      ...more,
      ...(variant === "neon" ? await this.#neon(database.appUrl, worker) : {}),
      ...(variant === "pg + redis" ? await this.#redis() : {}),
    };
    const keys = variant === "pg + redis" ? database.keys : database.keys.slice(0, 1);
    const logFile = path.join(this.dataDir, `api-${++this.#parts}.log`);
    const api = await startApi({ env, keys, logFile, server, profileDir: this.#options.profileDir });
    this.#running.push(api);
    return api;
  }

  /** Ends all API processes and what stands beside them; the server goes on. */
  async stopApis(): Promise<void> {
    for (const part of this.#running.splice(1).toReversed()) await part.stop();
  }

  async stop(): Promise<void> {
    await this.stopApis();
    await this.#server.stop();
    this.#unlock();
  }

  async #neon(app: string, worker: string): Promise<Record<string, string>> {
    const args = ["--postgres", `127.0.0.1:${this.#server.port}`, "--port", String(await freePort())];
    const { proxy } = await this.#child("neon", "neon/main.ts", args);
    const through = (url: string) => Object.assign(new URL(url), { host: proxy }).href;
    return {
      DATABASE_URL: through(app),
      WORKER_DATABASE_URL: through(worker),
      NEON_LOCAL_PROXY: String(proxy),
    };
  }

  async #redis(): Promise<Record<string, string>> {
    const args = ["--data", path.join(this.dataDir, "redis"), "--port", String(await freePort())];
    const { url, token } = await this.#child("redis", "redis/main.ts", args);
    return { UPSTASH_REDIS_REST_URL: String(url), UPSTASH_REDIS_REST_TOKEN: String(token) };
  }

  async #child(name: string, file: string, args: string[]): Promise<Record<string, unknown>> {
    const logFile = path.join(this.dataDir, `${name}.log`);
    const child = await startChild({ name, file, args, logFile, say: this.say });
    this.#running.push(child);
    return child.ready;
  }
}

function sharedBuffersMb(): number {
  return Math.min(SHARED_BUFFERS_MB_MAX, Math.floor((os.totalmem() / BYTES_PER_MB) * SHARED_BUFFERS_SHARE));
}

export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
