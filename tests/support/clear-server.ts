import pg from "pg";
import { ADMIN } from "../../local/database.ts";

// Dropped in this order: who owns or was granted something goes after those that hold it.
const ROLES = [
  "audit_app",
  "audit_worker",
  "audit_lookup",
  "audit_keeper",
  "audit_gate",
  "audit_owner",
  ADMIN,
];

/**
 * Takes from a server what test runs leave there: the databases of their admin, then the roles, which belong to the
 * whole server. Throws, with the roles as they were, when something else depends on one: that server is in real use.
 */
export async function clearServer(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      `select quote_ident(datname) as name from pg_database
       where datname ~ '^(afterimage_template|(t|m|inngest)_[0-9a-f]{12})$' and pg_get_userbyid(datdba) in ($1, current_user)`,
      [ADMIN],
    );
    for (const { name } of rows) await client.query(`drop database ${name} with (force)`);
    await client.query("begin");
    for (const role of ROLES) await client.query(`drop role if exists ${role}`);
    await client.query("commit");
  } catch (error) {
    if (error instanceof Error)
      error.message = `TEST_DATABASE_URL: ${error.message}. The tests need a server without an Afterimage of its own.`;
    throw error;
  } finally {
    await client.end();
  }
}
