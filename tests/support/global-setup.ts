import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { TestProject } from "vitest/node";
import { migrate } from "../../db/migrate.ts";
import { createAdminAndDatabase, rolePasswords, type RolePasswords } from "../../local/database.ts";
import { startPostgres } from "../../local/postgres/index.ts";

export const TEMPLATE = "afterimage_template";

export interface TestServer {
  port: number;
  superuser: { user: string; password: string };
  passwords: RolePasswords;
}

declare module "vitest" {
  interface ProvidedContext {
    server: TestServer;
  }
}

/** One real Postgres for the run; every test file gets its own copy of one migrated template database. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-test-"));
  fs.chmodSync(folder, 0o755);
  // Nothing here outlives the run, so a crash of the machine need not be survived; a crash of Postgres is.
  const settings = {
    fsync: "off",
    max_connections: "300",
    shared_buffers: "256MB",
    log_min_messages: "fatal",
  };
  const server = await startPostgres({ dataDir: folder, settings });
  const stop = async () => {
    await server.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  };
  const passwords = rolePasswords(folder);
  try {
    await createAdminAndDatabase(server, TEMPLATE, passwords.afterimage_admin);
    await migrate({ url: server.url(TEMPLATE, "afterimage_admin", passwords.afterimage_admin), passwords });
  } catch (error) {
    await stop();
    throw error;
  }
  const superuser = new URL(server.url());
  project.provide("server", {
    port: server.port,
    superuser: { user: superuser.username, password: decodeURIComponent(superuser.password) },
    passwords,
  });
  return stop;
}
