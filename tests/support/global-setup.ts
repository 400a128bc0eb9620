import fs from "node:fs";
import type { TestProject } from "vitest/node";
import { migrate } from "../../db/migrate.ts";
import { ADMIN, createAdminAndDatabase, rolePasswords, type RolePasswords } from "../../local/database.ts";
import { startPostgres } from "../../local/postgres/index.ts";
import { clearServer } from "./clear-server.ts";
import { databaseFolder } from "./folders.ts";

export const TEMPLATE = "afterimage_template";

export interface TestServer {
  /** Of a superuser, without a database. */
  url: string;
  passwords: RolePasswords;
}

declare module "vitest" {
  interface ProvidedContext {
    server: TestServer;
  }
}

/**
 * One real Postgres for the run; every test file gets its own copy of one migrated template database. With
 * TEST_DATABASE_URL (a superuser's) it is the server there, which is left as it was found; else our own.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = databaseFolder("afterimage-test-");
  fs.chmodSync(folder, 0o755);
  const server = await openServer(folder);
  const stop = async () => {
    await server.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  };
  const passwords = rolePasswords(folder);
  try {
    await createAdminAndDatabase(server, TEMPLATE, passwords.afterimage_admin);
    await migrate({ url: server.url(TEMPLATE, ADMIN, passwords.afterimage_admin), passwords });
  } catch (error) {
    await stop();
    throw error;
  }
  project.provide("server", { url: server.url(), passwords });
  return stop;
}

interface Server {
  url(database?: string, user?: string, password?: string): string;
  stop(): Promise<void>;
}

async function openServer(folder: string): Promise<Server> {
  const given = process.env.TEST_DATABASE_URL;
  if (given) {
    await clearServer(given);
    return { url: (...login) => urlOn(given, ...login), stop: () => clearServer(given) };
  }
  // Nothing here outlives the run, so a crash of the machine need not be survived; a crash of Postgres is.
  const settings = {
    fsync: "off",
    max_connections: "300",
    shared_buffers: "256MB",
    log_min_messages: "fatal",
  };
  return startPostgres({ dataDir: folder, settings });
}

/** The URL of a database on a server, as the URL's own user unless another is given. */
export function urlOn(server: string, database = "postgres", user?: string, password?: string): string {
  const url = new URL(server);
  url.pathname = `/${database}`;
  if (user !== undefined) url.username = user;
  if (password !== undefined) url.password = encodeURIComponent(password);
  return url.href;
}
