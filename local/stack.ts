import fs from "node:fs";
import path from "node:path";
import { migrate } from "../db/migrate.ts";
import { startChild, type Child } from "./children.ts";
import { ADMIN, createAdminAndDatabase, rolePasswords } from "./database.ts";
import { firstApiKey } from "./first-key.ts";
import { startPostgres, type PostgresServer } from "./postgres/index.ts";
import { freePort } from "./ports.ts";
import { commandOf, endProcess, isAlive } from "./processes.ts";

const DATABASE = "afterimage";
const ENGINE_DATABASE = "inngest";
const PORTS = { postgres: 54_320, redis: 8_079, inngest: 8_288 };

export interface StackOptions {
  dataDir: string;
  /** Wanted port of the HTTP server; the next free one is taken when it is in use. */
  port: number;
  /** Whether a workflow engine runs; `--no-inngest` leaves it out. */
  inngest: boolean;
  say: (line: string) => void;
}

/** What .afterimage/dev.json holds: how to reach each part. */
export interface DevFile {
  url: string;
  apiKey: string;
  databaseUrl: string;
  workerDatabaseUrl: string;
  ownerDatabaseUrl: string | null;
  superuserDatabaseUrl: string | null;
  redisUrl: string | null;
  redisToken: string | null;
  inngestUrl: string | null;
  pids: Record<string, number>;
}

export interface Stack {
  dev: DevFile;
  redisKind: string;
  stop(): Promise<void>;
}

interface Urls {
  app: string;
  worker: string;
  owner: string | null;
  superuser: string | null;
  engine: string;
}

/** Starts every part that the environment does not replace, migrates, and writes dev.json. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { dataDir, say } = options;
  fs.mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const devFile = path.join(dataDir, "dev.json");
  await endLeftovers(devFile);
  const children: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    for (const child of children.toReversed()) await child.stop();
    fs.rmSync(devFile, { force: true });
  };
  const pids: Record<string, number> = { start: process.pid };
  try {
    const postgres = await startPostgres({ dataDir: path.join(dataDir, "postgres"), port: PORTS.postgres });
    children.push(postgres);
    pids.postgres = postgres.pid;
    const urls = await prepareDatabases(postgres, dataDir);
    const dev = { pids } as DevFile;
    const write = () => fs.writeFileSync(devFile, `${JSON.stringify(dev, null, 2)}\n`, { mode: 0o600 });
    const part = (
      name: string,
      file: string,
      args: string[],
      env: Record<string, string> = {},
    ): Promise<Child> =>
      startChild({
        name,
        file,
        args,
        env,
        logFile: path.join(dataDir, `${name}.log`),
        say,
        onStart: (pid) => {
          pids[name] = pid;
          if (fs.existsSync(devFile)) write();
        },
      }).then((child) => (children.push(child), child));
    const redis = await startRedisPart(part, dataDir);
    const port = await freePort(options.port);
    const url = `http://127.0.0.1:${port}`;
    const inngestUrl = options.inngest ? await startEngine(part, urls.engine, url) : null;
    await part("api", "serve.ts", ["--port", String(port)], {
      DATABASE_URL: urls.app,
      WORKER_DATABASE_URL: urls.worker,
      ...(redis.url && redis.token
        ? { UPSTASH_REDIS_REST_URL: redis.url, UPSTASH_REDIS_REST_TOKEN: redis.token }
        : {}),
      ...engineEnvironment(inngestUrl),
    });
    Object.assign(dev, {
      url,
      apiKey: await firstApiKey(urls.app, path.join(dataDir, "api-key")),
      databaseUrl: urls.app,
      workerDatabaseUrl: urls.worker,
      ownerDatabaseUrl: urls.owner,
      superuserDatabaseUrl: urls.superuser,
      redisUrl: redis.url,
      redisToken: redis.token,
      inngestUrl,
    });
    write();
    return { dev, redisKind: redis.kind, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Part = (name: string, file: string, args: string[], env?: Record<string, string>) => Promise<Child>;

async function prepareDatabases(postgres: PostgresServer, dataDir: string): Promise<Urls> {
  const passwords = rolePasswords(dataDir);
  await createAdminAndDatabase(postgres, DATABASE, passwords.afterimage_admin);
  await createAdminAndDatabase(postgres, ENGINE_DATABASE, passwords.afterimage_admin);
  const engine = postgres.url(ENGINE_DATABASE, ADMIN, passwords.afterimage_admin);
  const { DATABASE_URL, WORKER_DATABASE_URL, MIGRATE_DATABASE_URL } = process.env;
  if (DATABASE_URL) {
    if (MIGRATE_DATABASE_URL) await migrate({ url: MIGRATE_DATABASE_URL });
    const worker = WORKER_DATABASE_URL ?? DATABASE_URL;
    return { app: DATABASE_URL, worker, owner: MIGRATE_DATABASE_URL ?? null, superuser: null, engine };
  }
  const owner = postgres.url(DATABASE, ADMIN, passwords.afterimage_admin);
  await migrate({ url: owner, passwords });
  return {
    app: postgres.url(DATABASE, "audit_app", passwords.audit_app),
    worker: postgres.url(DATABASE, "audit_worker", passwords.audit_worker),
    owner,
    superuser: postgres.url(DATABASE),
    engine,
  };
}

async function startRedisPart(part: Part, dataDir: string) {
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = process.env;
  if (url && token) return { url, token, kind: "yours" };
  const port = await freePort(PORTS.redis);
  const args = ["--data", path.join(dataDir, "redis"), "--port", String(port)];
  const { ready } = await part("redis", "redis/main.ts", args);
  return ready as { url: string; token: string; kind: string };
}

async function startEngine(part: Part, databaseUrl: string, apiUrl: string): Promise<string> {
  const theirs = process.env.INNGEST_BASE_URL ?? process.env.INNGEST_DEV;
  if (theirs?.startsWith("http")) return theirs;
  const port = await freePort(PORTS.inngest);
  const args = ["--port", String(port), "--app-url", `${apiUrl}/api/inngest`];
  const { ready } = await part("inngest", "inngest/main.ts", args, { INNGEST_DATABASE_URL: databaseUrl });
  return String(ready.url);
}

function engineEnvironment(inngestUrl: string | null): Record<string, string> {
  if (process.env.INNGEST_BASE_URL) return {};
  // Without an engine the address leads nowhere; requests wait in the database until there is one.
  return { INNGEST_DEV: inngestUrl ?? "http://127.0.0.1:9" };
}

/** A start that was killed leaves parts behind: their ids are in dev.json, their command lines prove who they are. */
async function endLeftovers(devFile: string): Promise<void> {
  if (!fs.existsSync(devFile)) return;
  const { url, pids = {} } = JSON.parse(fs.readFileSync(devFile, "utf8")) as Partial<DevFile>;
  if (
    pids.start &&
    pids.start !== process.pid &&
    isAlive(pids.start) &&
    /local\/start\.ts/.test(commandOf(pids.start))
  ) {
    throw new Error(
      `Afterimage runs already on this folder (process ${pids.start}, ${url}). Stop it, or give --data another folder.`,
    );
  }
  for (const [name, pid] of Object.entries(pids)) {
    if (name === "start" || name === "postgres") continue;
    if (isAlive(pid) && /local\/(serve|inngest\/main|redis\/main)\.ts/.test(commandOf(pid)))
      await endProcess(pid);
  }
  fs.rmSync(devFile, { force: true });
}
