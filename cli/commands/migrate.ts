import { Command } from "commander";
import { migrate } from "../../db/migrate.ts";
import { databaseUrl } from "../settings.ts";

const ROLES = { audit_app: "DATABASE_URL", audit_worker: "WORKER_DATABASE_URL" } as const;

export function migrateCommand(): Command {
  return new Command("migrate")
    .description(
      "Bring the database up to this code, in one transaction. Passwords of audit_app and audit_worker are set\nto those in DATABASE_URL and WORKER_DATABASE_URL, where they name these roles.",
    )
    .option("--dry-run", "execute everything, say what would change, and roll back")
    .action(async ({ dryRun = false }: { dryRun?: boolean }) => {
      const url = databaseUrl("MIGRATE_DATABASE_URL");
      console.log(dryRun ? "Trying the migration …" : "Migrating …");
      const { applied } = await migrate({ url, dryRun, passwords: rolePasswords() });
      if (applied.length === 0) return console.log("Nothing to do: the database is as this code wants it.");
      console.log(dryRun ? "Would apply, in this order (nothing was changed):" : "Applied:");
      for (const name of applied) console.log(`  ${name}`);
    });
}

function rolePasswords(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(ROLES).flatMap(([role, variable]) => {
      const text = process.env[variable];
      const url = text ? new URL(text) : null;
      return url?.username === role && url.password ? [[role, decodeURIComponent(url.password)]] : [];
    }),
  );
}
