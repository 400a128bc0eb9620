import { Command } from "commander";
import { makeHome, migrate } from "../../db/migrate.ts";
import { logServiceEvent } from "../../services/events/log-service-event.ts";
import { withOperator } from "../operator.ts";
import { databaseUrl, passwordOf } from "../settings.ts";

interface Options {
  dryRun?: boolean;
  ifConfigured?: boolean;
  makeHome?: boolean;
}

const ROLES = { audit_app: "DATABASE_URL", audit_worker: "WORKER_DATABASE_URL" } as const;

export function migrateCommand(): Command {
  return new Command("migrate")
    .description(
      "Bring the database up to this code, in one transaction. Passwords of audit_app and audit_worker are set to those in DATABASE_URL and WORKER_DATABASE_URL, where they name these roles.",
    )
    .option("--dry-run", "execute everything, say what would change, and roll back")
    .option(
      "--make-home",
      "then let schedules and alarms run on this Neon branch or restored copy, from now on",
    )
    .option(
      "--if-configured",
      "do nothing when MIGRATE_DATABASE_URL is not set, as a deployment's build wants it",
    )
    .action(async ({ dryRun = false, ifConfigured = false, makeHome: moves = false }: Options) => {
      if (ifConfigured && !process.env.MIGRATE_DATABASE_URL) {
        return console.log("MIGRATE_DATABASE_URL is not set: the database stays as it is.");
      }
      const url = databaseUrl("MIGRATE_DATABASE_URL");
      console.log(dryRun ? "Trying the migration …" : "Migrating …");
      const { applied } = await migrate({ url, dryRun, passwords: rolePasswords() });
      if (applied.length === 0) console.log("Nothing to do: the database is as this code wants it.");
      else console.log(dryRun ? "Would apply, in this order (nothing was changed):" : "Applied:");
      for (const name of applied) console.log(`  ${name}`);
      if (moves && !dryRun) await moveHome(url);
    });
}

async function moveHome(url: string): Promise<void> {
  await withOperator((ctx) => logServiceEvent(ctx, "MOVE_HOME", "database", "audit"));
  await makeHome(url);
  console.log("Schedules and alarms run on this database from now on.");
}

function rolePasswords(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(ROLES).flatMap(([role, variable]) => {
      const password = passwordOf(role, variable);
      return password === undefined ? [] : [[role, password]];
    }),
  );
}
