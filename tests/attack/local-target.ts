import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import pg from "pg";
import { createApp } from "../../api/_http/create-app.ts";
import { migrate } from "../../db/migrate.ts";
import { readEnv } from "../../lib/env.ts";
import { createLogger } from "../../lib/logger.ts";
import { ADMIN, createAdminAndDatabase, rolePasswords } from "../../local/database.ts";
import { startPostgres } from "../../local/postgres/index.ts";
import { createRuntime } from "../../services/runtime.ts";
import type { Target } from "./engine.ts";

const DATABASE = "afterimage_attack";

/** A service on a PostgreSQL of its own, on loopback; `close` leaves no process and no folder behind. */
export async function openLocalTarget(): Promise<{ target: Target; close(): Promise<void> }> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-attack-"));
  fs.chmodSync(folder, 0o755);
  const undo: (() => unknown)[] = [() => fs.rmSync(folder, { recursive: true, force: true })];
  const close = async () => {
    for (const one of undo.splice(0).toReversed()) await one();
  };
  try {
    // Nothing here outlives the run, so a crash of the machine need not be survived.
    const settings = { fsync: "off", autovacuum: "off", shared_buffers: "128MB", log_min_messages: "fatal" };
    const server = await startPostgres({ dataDir: folder, settings });
    undo.push(() => server.stop());
    const passwords = rolePasswords(folder);
    await createAdminAndDatabase(server, DATABASE, passwords.afterimage_admin);
    await migrate({ url: server.url(DATABASE, ADMIN, passwords.afterimage_admin), passwords });
    const sent: unknown[] = [];
    const env = readEnv({
      DATABASE_URL: server.url(DATABASE, "audit_app", passwords.audit_app),
      WORKER_DATABASE_URL: server.url(DATABASE, "audit_worker", passwords.audit_worker),
    });
    const runtime = createRuntime(env, {
      log: createLogger("silent"),
      limiter: { check: async () => null },
      send: async (events) => void sent.push(...events),
    });
    undo.push(() => runtime.close());
    const pool = new pg.Pool({ connectionString: server.url(DATABASE), max: 2 });
    pool.on("error", () => undefined);
    undo.push(() => pool.end());
    const query: Target["query"] = async (text, values) =>
      (await pool.query<Record<string, unknown>>(text, values)).rows;
    return { target: { app: createApp(runtime), runtime, query, sentEvents: () => sent.length }, close };
  } catch (error) {
    await close();
    throw error;
  }
}
