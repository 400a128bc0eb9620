import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createApp } from "../../api/_http/create-app.ts";
import type { App } from "../../api/_http/app.ts";
import { migrate } from "../../db/migrate.ts";
import { readEnv } from "../../lib/env.ts";
import { createInngest } from "../../lib/inngest.ts";
import { createLogger } from "../../lib/logger.ts";
import { ADMIN, createAdminAndDatabase, rolePasswords, type RolePasswords } from "../../local/database.ts";
import { startPostgres, type PostgresServer } from "../../local/postgres/index.ts";
import { createKey } from "../../services/keys/create.ts";
import { scopes } from "../../services/keys/scopes.ts";
import { operatorContext } from "../../services/operator.ts";
import { createRuntime, type Runtime } from "../../services/runtime.ts";
import { quietPort } from "../support/ports.ts";
import { openPauses, type Pauses } from "./life-pauses.ts";
import { SUITE } from "./life-points.ts";
import { asker, bundle, registered, type Ask } from "./stage-parts.ts";
import { Victim } from "./victim.ts";

const TEMPLATE = "template_of_lives";
/** Each attempt of a step that fails waits a little longer; together they outlast every fault. */
const BACKOFF_MS = "150,500,1000,2000,3000";
const ARCHIVE_KEY = Buffer.alloc(32, 7).toString("base64");

/** A service of its own for one run after the other: database, engine, function host, and a folder of cold files. */
export interface Lane {
  host: Victim;
  engine: Victim;
  /** For the requests of this process. */
  runtime: Runtime;
  app: App;
  /** A key's secret of all rights, per person. */
  keys: { asker: string; approver: string };
  folder: string;
  pauses: Pauses;
  /** As a superuser. */
  sql: Ask;
  close(): Promise<void>;
}

export interface LifeStage {
  lanes: Lane[];
  close(): Promise<void>;
}

/** One Postgres for all lanes; every other lane encrypts its cold files. */
export async function openLanes(count: number): Promise<LifeStage> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "life-faults-"));
  fs.chmodSync(folder, 0o755);
  const [postgres] = await Promise.all([
    startPostgres({ dataDir: folder, settings: { fsync: "off", max_connections: "300" } }),
    bundle(folder, "tests/faults/life-host.ts"),
  ]);
  const passwords = rolePasswords(folder);
  await createAdminAndDatabase(postgres, TEMPLATE, passwords.afterimage_admin);
  await migrate({ url: postgres.url(TEMPLATE, ADMIN, passwords.afterimage_admin), passwords });
  const maintenance = asker(postgres.url());
  for (let n = 0; n < count; n++) {
    await maintenance.ask(`create database life_${n} template ${TEMPLATE} owner ${ADMIN}`);
  }
  await maintenance.close();
  const lanes = await Promise.all(
    Array.from({ length: count }, (_, n) => openLane(n, { folder, postgres, passwords })),
  );
  return {
    lanes,
    close: async () => {
      await Promise.all(lanes.map((lane) => lane.close()));
      await postgres.stop();
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface Place {
  folder: string;
  postgres: PostgresServer;
  passwords: RolePasswords;
}

async function openLane(n: number, { folder, postgres, passwords }: Place): Promise<Lane> {
  const database = `life_${n}`;
  const coldFolder = path.join(folder, "cold", String(n));
  const superuserUrl = postgres.url(database);
  const sql = asker(`${superuserUrl}?application_name=${SUITE}`, 3);
  await sql.ask(fs.readFileSync(path.join(folder, "schema.sql"), "utf8"));
  const pauses = await openPauses(superuserUrl);
  const [hostPort, enginePort] = [await quietPort(), await quietPort()];
  const engineUrl = `http://127.0.0.1:${enginePort}`;
  const env = {
    DATABASE_URL: postgres.url(database, "audit_app", passwords.audit_app),
    WORKER_DATABASE_URL: postgres.url(database, "audit_worker", passwords.audit_worker),
    ARCHIVE_URL: `file://${coldFolder}`,
    ...(n % 2 === 0 ? {} : { ARCHIVE_KEYS: ARCHIVE_KEY }),
  };
  const engine = new Victim(path.join(folder, "engine.mjs"), [
    `--database-url=${superuserUrl}`,
    `--port=${enginePort}`,
    `--app-url=http://127.0.0.1:${hostPort}/api/inngest`,
    `--retry-backoff-ms=${BACKOFF_MS}`,
  ]);
  const host = new Victim(
    path.join(folder, "host.mjs"),
    [
      `--port=${hostPort}`,
      `--engine=${engineUrl}`,
      `--superuser-url=${superuserUrl}`,
      `--folder=${coldFolder}`,
    ],
    env,
  );
  const log = createLogger("silent");
  const runtime = createRuntime(readEnv(env), {
    log,
    inngest: createInngest(log, engineUrl),
    redis: null,
    limiter: { check: async () => null },
  });
  const keyOf = async (userId: string) => {
    const ctx = operatorContext(runtime.app.db, "operator:faults", log);
    return (await createKey(ctx, { name: "faults", userId, scopes: [...scopes] })).secret;
  };
  const keys = { asker: await keyOf("asker"), approver: await keyOf("approver") };
  await Promise.all([engine.start(), host.start()]);
  await registered(engineUrl);
  const close = async () => {
    await Promise.all([engine.end(), host.end()]);
    await Promise.all([runtime.close(), sql.close(), pauses.close()]);
  };
  return {
    host,
    engine,
    runtime,
    app: createApp(runtime),
    keys,
    folder: coldFolder,
    pauses,
    sql: sql.ask,
    close,
  };
}
