import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import pg from "pg";
import { writeWhole } from "./dev-file.ts";
import type { PostgresServer } from "./postgres/index.ts";

export const ADMIN = "afterimage_admin";

export interface RolePasswords {
  afterimage_admin: string;
  audit_app: string;
  audit_worker: string;
}

/** The roles' passwords, made once and kept beside the data (mode 0600). */
export function rolePasswords(folder: string): RolePasswords {
  const file = path.join(folder, "role-passwords.json");
  if (fs.existsSync(file)) return JSON.parse(fs.readFileSync(file, "utf8")) as RolePasswords;
  const secret = () => randomBytes(18).toString("base64url");
  const passwords = { afterimage_admin: secret(), audit_app: secret(), audit_worker: secret() };
  fs.mkdirSync(folder, { recursive: true });
  writeWhole(file, JSON.stringify(passwords));
  return passwords;
}

/**
 * Makes the admin as a managed Postgres gives it (CREATEROLE and CREATEDB, no superuser), and a database that it owns
 * unless there is one.
 */
export async function createAdminAndDatabase(
  server: Pick<PostgresServer, "url">,
  database: string,
  password: string,
): Promise<void> {
  const client = new pg.Client({ connectionString: server.url() });
  await client.connect();
  try {
    const role = await client.query("select from pg_roles where rolname = $1", [ADMIN]);
    const verb = role.rowCount === 0 ? "create" : "alter";
    await client.query(
      `${verb} role ${ADMIN} login createrole createdb nosuperuser password ${client.escapeLiteral(password)}`,
    );
    // For operators' unqualified statements (tests/db/seed.test.ts); no other admin has it, so our documents name the schema.
    // public stays first, so that an application's migrations make no table in audit.
    await client.query(`alter role ${ADMIN} set search_path = "$user", public, audit`);
    const existing = await client.query("select from pg_database where datname = $1", [database]);
    if (existing.rowCount === 0) await client.query(`create database ${database} owner ${ADMIN}`);
  } finally {
    await client.end();
  }
}
