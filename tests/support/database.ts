import { randomBytes } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, inject } from "vitest";
import type { Database } from "../../db/client.ts";
import { neonPool } from "../../db/drivers/neon.ts";
import { TEMPLATE, urlOn } from "./global-setup.ts";

export type Role = "superuser" | "admin" | "app" | "worker";

export interface TestDatabase {
  name: string;
  url(role: Role): string;
  /** As `url`, but for the service's roles through Neon's wire in a run over it. */
  serviceUrl(role: Role): string;
  /** The service's environment; `through` may lead its connections another way. */
  serviceEnv(through?: (url: string) => string): Record<string, string>;
  /** A pool for a role, made once and closed after the file's tests; the service's roles have the run's driver. */
  pool(role: Role): pg.Pool;
  /** Rows of one statement, run as a role. */
  rows<T extends pg.QueryResultRow = pg.QueryResultRow>(
    role: Role,
    text: string,
    values?: unknown[],
  ): Promise<T[]>;
  /** Rows of one statement, run as the owner of the schema (by SET ROLE from the admin). */
  asOwner<T extends pg.QueryResultRow = pg.QueryResultRow>(text: string, values?: unknown[]): Promise<T[]>;
}

/** A database of this test file's own: a copy of the migrated template, dropped afterwards. */
export function useDatabase(): TestDatabase {
  const name = `t_${randomBytes(6).toString("hex")}`;
  const pools = new Map<Role, pg.Pool>();
  const url = (role: Role, database = name) => connectionString(role, database);

  beforeAll(async () => {
    // The admin owns it, as on a managed Postgres; grants on the database itself are not copied.
    await maintenance(`create database ${name} template ${TEMPLATE} owner afterimage_admin`);
  });
  afterAll(async () => {
    await Promise.all([...pools.values()].map((pool) => pool.end()));
    await maintenance(`drop database if exists ${name} with (force)`);
  });

  const pool = (role: Role) => {
    let one = pools.get(role);
    if (!one) {
      one = openPool(serviceUrl(role));
      one.on("error", () => undefined);
      pools.set(role, one);
    }
    return one;
  };
  const serviceUrl = (role: Role) => {
    const proxy = inject("neonProxy");
    if (proxy === undefined || role === "superuser" || role === "admin") return url(role);
    const [hostname = "", port = ""] = proxy.split(":");
    return Object.assign(new URL(url(role)), { hostname, port }).href;
  };
  return {
    name,
    url,
    serviceUrl,
    serviceEnv: (through = (direct) => direct) => {
      const DATABASE_URL = through(serviceUrl("app"));
      const WORKER_DATABASE_URL = through(serviceUrl("worker"));
      const NEON_LOCAL_PROXY = inject("neonProxy") && new URL(DATABASE_URL).host;
      return { DATABASE_URL, WORKER_DATABASE_URL, ...(NEON_LOCAL_PROXY ? { NEON_LOCAL_PROXY } : {}) };
    },
    pool,
    rows: async <T extends pg.QueryResultRow>(role: Role, text: string, values?: unknown[]) =>
      (await pool(role).query<T>(text, values)).rows,
    asOwner: async <T extends pg.QueryResultRow>(text: string, values?: unknown[]) => {
      const client = await pool("admin").connect();
      try {
        await client.query("set role audit_owner; set search_path = audit, public");
        return (await client.query<T>(text, values)).rows;
      } finally {
        client.release(true);
      }
    },
  };
}

/** Neon's pool is made of pg's own, so a test may take the one for the other. */
function openPool(url: string): pg.Pool {
  const options = { connectionString: url, max: 20 };
  const proxy = inject("neonProxy");
  if (new URL(url).host !== proxy) return new pg.Pool(options);
  return neonPool(options, proxy) as unknown as pg.Pool;
}

function connectionString(role: Role, database: string): string {
  const { url, passwords } = inject("server");
  switch (role) {
    case "superuser":
      return urlOn(url, database);
    case "admin":
      return urlOn(url, database, "afterimage_admin", passwords.afterimage_admin);
    case "app":
      return urlOn(url, database, "audit_app", passwords.audit_app);
    case "worker":
      return urlOn(url, database, "audit_worker", passwords.audit_worker);
  }
}

/** Throws unless the run's driver serves a database: a suite that says "Neon" must not pass on pg. */
export function assertDriver(database: Database): void {
  const wanted = inject("neonProxy") === undefined ? "pg" : "neon";
  if (database.driver !== wanted)
    throw new Error(`The run is over ${wanted}, the service over ${database.driver}.`);
}

async function maintenance(text: string): Promise<void> {
  const client = new pg.Client({ connectionString: connectionString("superuser", "postgres") });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
