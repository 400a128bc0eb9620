import fs from "node:fs";
import { connect } from "../../db/client.ts";
import { migrate } from "../../db/migrate.ts";
import { createLogger } from "../../lib/logger.ts";
import { ADMIN, createAdminAndDatabase, rolePasswords } from "../../local/database.ts";
import { startPostgres } from "../../local/postgres/index.ts";
import { createKey } from "../../services/keys/create.ts";
import { scopes } from "../../services/keys/scopes.ts";
import { operatorContext } from "../../services/operator.ts";
import { bundleFolder, bundleService, startService, type Service } from "./client-service.ts";
import { asker, type Ask } from "./stage-parts.ts";

const TEMPLATE = "template_of_clients";

export interface Lane {
  service: Service;
  apiKey: string;
  rows: Ask;
  close(): Promise<void>;
}

/** One Postgres; a database and a service for each lane. */
export async function openLanes(count: number): Promise<{ lanes: Lane[]; close(): Promise<void> }> {
  const folder = bundleFolder();
  const [postgres] = await Promise.all([
    startPostgres({ dataDir: folder, settings: { fsync: "off" } }),
    bundleService(folder),
  ]);
  const passwords = rolePasswords(folder);
  await createAdminAndDatabase(postgres, TEMPLATE, passwords.afterimage_admin);
  await migrate({ url: postgres.url(TEMPLATE, ADMIN, passwords.afterimage_admin), passwords });
  const maintenance = asker(postgres.url());
  const lanes: Lane[] = [];
  for (let n = 0; n < count; n++) {
    const database = `client_${n}`;
    await maintenance.ask(`create database ${database} template ${TEMPLATE} owner ${ADMIN}`);
    const env = {
      DATABASE_URL: postgres.url(database, "audit_app", passwords.audit_app),
      WORKER_DATABASE_URL: postgres.url(database, "audit_worker", passwords.audit_worker),
    };
    const sql = asker(postgres.url(database), 2);
    const service = await startService(folder, env);
    lanes.push({
      service,
      apiKey: await keyOf(env.DATABASE_URL),
      rows: sql.ask,
      close: async () => {
        await service.close();
        await sql.close();
      },
    });
  }
  await maintenance.close();
  return {
    lanes,
    close: async () => {
      await Promise.all(lanes.map((lane) => lane.close()));
      await postgres.stop();
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Mints a key of all rights. */
async function keyOf(databaseUrl: string): Promise<string> {
  const database = connect(databaseUrl);
  const ctx = operatorContext(database.db, "operator:faults", createLogger("silent"));
  const { secret } = await createKey(ctx, { name: "faults", scopes: [...scopes] });
  await database.close();
  return secret;
}
