import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import pg from "pg";
import { migrate } from "../db/migrate.ts";
import { ADMIN, createAdminAndDatabase, rolePasswords } from "./database.ts";
import { readDevFile, removeDevFile, type DevFile } from "./dev-file.ts";
import { firstApiKey } from "./first-key.ts";
import { lockFolder } from "./lock.ts";
import { Parts } from "./parts.ts";
import { startPostgres, type PostgresServer } from "./postgres/index.ts";
import { freePort } from "./ports.ts";
import { commandOf, endProcess } from "./processes.ts";

const DATABASE = "afterimage";
const ENGINE_DATABASE = "inngest";
const CONNECT_TIMEOUT_MS = 5_000;
const POSTGRES_PORT = 5_432;
const MAIL_FROM = "Afterimage <afterimage@localhost>";
const MAIL_TO = "operator@localhost";

interface StackOptions {
  dataDir: string;
  /** Wanted port of the HTTP server; the next free one is taken when it is in use. */
  port: number;
  /** Whether a workflow engine runs; `--no-inngest` leaves it out. */
  inngest: boolean;
  /** Whether the API reaches its database by Neon's driver; `--neon` says so. */
  neon?: boolean;
  say: (line: string) => void;
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
  fs.mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  const unlock = lockFolder(options.dataDir);
  const parts = new Parts(options, unlock);
  try {
    await endLeftovers(options.dataDir);
    const urls = await startDatabases(parts, options);
    const redis = await startRedisPart(parts, options.dataDir);
    const mail = await startMailPart(parts, options.dataDir);
    const port = await freePort(options.port);
    const url = `http://127.0.0.1:${port}`;
    const inngestUrl = options.inngest ? await startEngine(parts, urls.engine, url) : null;
    await parts.start("api", "serve.ts", ["--port", String(port)], {
      ...(options.neon
        ? await startNeonPart(parts, urls)
        : { DATABASE_URL: urls.app, WORKER_DATABASE_URL: urls.worker }),
      ...(redis.url && redis.token
        ? { UPSTASH_REDIS_REST_URL: redis.url, UPSTASH_REDIS_REST_TOKEN: redis.token }
        : {}),
      ...engineEnvironment(inngestUrl),
      ...archiveEnvironment(options.dataDir),
      ...mail.environment,
    });
    const dev = parts.writeDevFile({
      url,
      apiKey: await firstApiKey(urls.app, path.join(options.dataDir, "api-key")),
      databaseUrl: urls.app,
      workerDatabaseUrl: urls.worker,
      ownerDatabaseUrl: urls.owner,
      superuserDatabaseUrl: urls.superuser,
      redisUrl: redis.url,
      redisToken: redis.token,
      inngestUrl,
      smtpUrl: mail.url,
      mailDir: mail.dir,
    });
    return { dev, redisKind: redis.kind, stop: () => parts.stop() };
  } catch (error) {
    await parts.stop();
    throw error;
  }
}

/** Cold files lie beside the database that they come from, unless one of the two is somebody else's. */
function archiveEnvironment(dataDir: string): Record<string, string> {
  if (process.env.ARCHIVE_URL || process.env.DATABASE_URL) return {};
  const folder = path.join(dataDir, "archive");
  fs.mkdirSync(folder, { recursive: true });
  return { ARCHIVE_URL: pathToFileURL(folder).href };
}

async function startDatabases(parts: Parts, { dataDir, say }: StackOptions): Promise<Urls> {
  const postgres = startPostgres({
    dataDir: path.join(dataDir, "postgres"),
    onStart: parts.notePid("postgres"),
    onDeath: (error) =>
      say(error ? `postgres cannot be started again: ${String(error)}` : "postgres died; starting it again"),
  });
  return prepareDatabases(await parts.add(postgres), dataDir);
}

async function prepareDatabases(postgres: PostgresServer, dataDir: string): Promise<Urls> {
  const passwords = rolePasswords(dataDir);
  await createAdminAndDatabase(postgres, DATABASE, passwords.afterimage_admin);
  await createAdminAndDatabase(postgres, ENGINE_DATABASE, passwords.afterimage_admin);
  const engine = postgres.url(ENGINE_DATABASE, ADMIN, passwords.afterimage_admin);
  const { DATABASE_URL, WORKER_DATABASE_URL, MIGRATE_DATABASE_URL } = process.env;
  if (DATABASE_URL) {
    if (MIGRATE_DATABASE_URL) await migrate({ url: MIGRATE_DATABASE_URL });
    await requireSchema(DATABASE_URL);
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

async function requireSchema(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query("select to_regclass('audit.schema_versions') is not null as yes");
    if (rows[0]?.yes) return;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    throw new Error(
      `The database of DATABASE_URL cannot be used (${code ?? message}): check the URL and that it runs.`,
      { cause: error },
    );
  } finally {
    await client.end().catch(() => undefined);
  }
  throw new Error(
    "The database of DATABASE_URL has no schema audit: set MIGRATE_DATABASE_URL to its admin, or run npx afterimage migrate.",
  );
}

/** Neon's wire in front of the database; answers what leads the API through it. Other programs still connect directly. */
async function startNeonPart(parts: Parts, { app, worker }: Urls): Promise<Record<string, string>> {
  const { hostname, port } = new URL(app);
  if (!["127.0.0.1", "localhost"].includes(hostname))
    throw new Error("--neon stands in front of a Postgres on this machine; DATABASE_URL names another.");
  const args = ["--postgres", `${hostname}:${port || POSTGRES_PORT}`, "--port", String(await freePort())];
  const { ready } = await parts.start("neon", "neon/main.ts", args);
  const proxy = String(ready.proxy);
  const through = (url: string) => Object.assign(new URL(url), { host: proxy }).href;
  return { DATABASE_URL: through(app), WORKER_DATABASE_URL: through(worker), NEON_LOCAL_PROXY: proxy };
}

async function startRedisPart(parts: Parts, dataDir: string) {
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = process.env;
  if (url && token) return { url, token, kind: "yours" };
  const port = await freePort();
  const args = ["--data", path.join(dataDir, "redis"), "--port", String(port)];
  const { ready } = await parts.start("redis", "redis/main.ts", args);
  return ready as { url: string; token: string; kind: string };
}

interface MailPart {
  url: string | null;
  dir: string | null;
  environment: Record<string, string>;
}

/** Catches the mail of alerts, unless it goes to a server of your own; answers what leads the API to it. */
async function startMailPart(parts: Parts, dataDir: string): Promise<MailPart> {
  if (process.env.SMTP_URL) return { url: null, dir: null, environment: {} };
  const args = ["--data", dataDir, "--port", String(await freePort())];
  const { ready } = await parts.start("mail", "mail/main.ts", args);
  const { url, dir } = ready as { url: string; dir: string };
  return { url, dir, environment: { SMTP_URL: url, ALERT_MAIL_FROM: MAIL_FROM, ALERT_MAIL_TO: MAIL_TO } };
}

async function startEngine(parts: Parts, databaseUrl: string, apiUrl: string): Promise<string> {
  const theirs = process.env.INNGEST_BASE_URL ?? process.env.INNGEST_DEV;
  if (theirs?.startsWith("http")) return theirs;
  const port = await freePort();
  const args = ["--port", String(port), "--app-url", `${apiUrl}/api/inngest`];
  const { ready } = await parts.start("inngest", "inngest/main.ts", args, {
    INNGEST_DATABASE_URL: databaseUrl,
  });
  return String(ready.url);
}

function engineEnvironment(inngestUrl: string | null): Record<string, string> {
  if (process.env.INNGEST_BASE_URL) return {};
  // Without an engine the address leads nowhere; requests wait in the database until there is one.
  return { INNGEST_DEV: inngestUrl ?? "http://127.0.0.1:9" };
}

/** A start that was killed leaves parts behind: their ids are in dev.json, their command lines prove who they are. */
async function endLeftovers(dataDir: string): Promise<void> {
  for (const [name, pid] of Object.entries(readDevFile(dataDir)?.pids ?? {})) {
    if (name === "start" || name === "postgres") continue;
    if (/local\/(serve|(inngest|mail|neon|redis)\/main)\.ts/.test(commandOf(pid))) await endProcess(pid);
  }
  removeDevFile(dataDir);
}
