import { randomBytes } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, inject } from "vitest";
import { TEMPLATE } from "./global-setup.ts";

export type Role = "superuser" | "admin" | "app" | "worker";

export interface TestDatabase {
  name: string;
  url(role: Role): string;
  /** A pool for a role, made once and closed after the file's tests. */
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
      one = new pg.Pool({ connectionString: url(role), max: 20 });
      one.on("error", () => undefined);
      pools.set(role, one);
    }
    return one;
  };
  return {
    name,
    url,
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

function connectionString(role: Role, database: string): string {
  const { port, superuser, passwords } = inject("server");
  const login = {
    superuser: superuser,
    admin: { user: "afterimage_admin", password: passwords.afterimage_admin },
    app: { user: "audit_app", password: passwords.audit_app },
    worker: { user: "audit_worker", password: passwords.audit_worker },
  }[role];
  return `postgresql://${login.user}:${encodeURIComponent(login.password)}@127.0.0.1:${port}/${database}`;
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
