import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import pg from "pg";
import { dumpSchema } from "../../db/dump.ts";
import { migrate } from "../../db/migrate.ts";
import { ADMIN, createAdminAndDatabase, rolePasswords } from "../../local/database.ts";
import { startPostgres } from "../../local/postgres/index.ts";

// Writes db/schema.sql from a database that is made, migrated and thrown away.
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-schema-"));
fs.chmodSync(folder, 0o755);
const server = await startPostgres({ dataDir: folder, settings: { fsync: "off" } });
try {
  const passwords = rolePasswords(folder);
  await createAdminAndDatabase(server, "afterimage", passwords.afterimage_admin);
  const url = server.url("afterimage", ADMIN, passwords.afterimage_admin);
  await migrate({ url });
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const text = await dumpSchema(client).finally(() => client.end());
  const file = path.resolve(import.meta.dirname, "../../db/schema.sql");
  fs.writeFileSync(file, text);
  process.stdout.write(`${file}\n`);
} finally {
  await server.stop();
  fs.rmSync(folder, { recursive: true, force: true });
}
