import { randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { migrate } from "../../db/migrate.ts";
import { readEnv } from "../../lib/env.ts";
import { createInngest } from "../../lib/inngest.ts";
import { createLogger } from "../../lib/logger.ts";
import { createRedis, type Redis } from "../../lib/redis.ts";
import { ADMIN, createAdminAndDatabase, rolePasswords } from "../../local/database.ts";
import { startPostgres, type PostgresServer } from "../../local/postgres/index.ts";
import { startRedis, type LocalRedis } from "../../local/redis/index.ts";
import { createRuntime, type Runtime } from "../../services/runtime.ts";
import { quietPort } from "../support/ports.ts";
import { startProxy, type Proxy } from "../support/proxy.ts";
import { laneConfig } from "./restore-config.ts";
import { tablesOf } from "./restore-data.ts";
import { openPauses, type Pauses } from "./restore-pauses.ts";
import { startReceiver, type Receiver } from "./restore-receiver.ts";
import { asker, bundle, registered, type Ask } from "./stage-parts.ts";
import { Victim } from "./victim.ts";

const DATABASE = "application";
const ENGINE_DATABASE = "engine";
/** Each attempt of a step that fails waits a little longer; together they outlast every fault. */
const BACKOFF_MS = "100,300,700,1500,2500,3500,5000,6000,8000,10000";

/** Everything that a restore runs on, each part a process that can be taken away. */
export interface Stage {
  lanes: number;
  /** For service calls in this process. */
  runtime: Runtime;
  host: Victim;
  engine: Victim;
  engineUrl: string;
  postgres: PostgresServer;
  redisServer: LocalRedis;
  /** Between the function host and Redis. */
  redisProxy: Proxy;
  /** Past the proxy. */
  redis: Redis;
  pauses: Pauses;
  receiver: Receiver;
  /** As a superuser. */
  sql: Ask;
  /** As the owner of the application's tables. */
  app: Ask;
  engineSql: Ask;
  close(): Promise<void>;
}

export async function openStage(lanes: number): Promise<Stage> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "restore-faults-"));
  fs.chmodSync(folder, 0o755);
  const [postgres, redisServer, receiver] = await Promise.all([
    startPostgres({ dataDir: folder, settings: { fsync: "off", max_connections: "200" } }),
    startRedis({ dataDir: path.join(folder, "redis") }),
    startReceiver(),
    bundle(folder, "tests/faults/restore-host.ts"),
  ]);
  const passwords = rolePasswords(folder);
  await createAdminAndDatabase(postgres, DATABASE, passwords.afterimage_admin);
  const adminUrl = postgres.url(DATABASE, ADMIN, passwords.afterimage_admin);
  await migrate({ url: adminUrl, passwords });
  const [sql, app] = [asker(postgres.url(DATABASE)), asker(adminUrl)];
  await sql.ask(`create database ${ENGINE_DATABASE}`);
  const engineSql = asker(postgres.url(ENGINE_DATABASE));
  for (let lane = 0; lane < lanes; lane++) await app.ask(tablesOf(lane));
  const pauses = await openPauses(postgres.url(DATABASE), lanes);

  const [hostPort, enginePort] = [await quietPort(), await quietPort()];
  const engineUrl = `http://127.0.0.1:${enginePort}`;
  const redisProxy = await startProxy(Number(new URL(redisServer.url).port));
  const env = {
    DATABASE_URL: postgres.url(DATABASE, "audit_app", passwords.audit_app),
    WORKER_DATABASE_URL: postgres.url(DATABASE, "audit_worker", passwords.audit_worker),
  };
  const engine = new Victim(path.join(folder, "engine.mjs"), [
    `--database-url=${postgres.url(ENGINE_DATABASE)}`,
    `--port=${enginePort}`,
    `--app-url=http://127.0.0.1:${hostPort}/api/inngest`,
    `--retry-backoff-ms=${BACKOFF_MS}`,
  ]);
  const host = new Victim(
    path.join(folder, "host.mjs"),
    [`--port=${hostPort}`, `--engine=${engineUrl}`, `--lanes=${lanes}`, `--jobs=${receiver.url}`],
    {
      ...env,
      UPSTASH_REDIS_REST_URL: redisProxy.through(redisServer.url).replace(/\/$/, ""),
      UPSTASH_REDIS_REST_TOKEN: redisServer.token,
      FAULTS_JOB_SECRET: receiver.secret,
    },
  );
  const log = createLogger("silent");
  const runtime = createRuntime(readEnv(env), {
    log,
    inngest: createInngest(log, engineUrl),
    config: laneConfig(lanes, receiver.url),
    redis: null,
  });
  const close = async () => {
    await Promise.all([engine.end(), host.end()]);
    await Promise.all([runtime.close(), sql.close(), app.close(), engineSql.close(), pauses.close()]);
    await Promise.all([redisProxy.close(), redisServer.stop(), receiver.close()]);
    await postgres.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  };
  await Promise.all([engine.start(), host.start()]);
  await registered(engineUrl);
  return {
    lanes,
    runtime,
    host,
    engine,
    engineUrl,
    postgres,
    redisServer,
    redisProxy,
    redis: createRedis(redisServer, { timeoutMs: 10_000, raw: true }) as Redis,
    pauses,
    receiver,
    sql: sql.ask,
    app: app.ask,
    engineSql: engineSql.ask,
    close,
  };
}

/** A name for a run's rows that no other run of this stage has. */
export const newRunName = (number: number) => `r${number}-${randomBytes(4).toString("hex")}`;
