import { Command } from "commander";
import { SchemaMismatchError } from "../db/migrate.ts";
import { ServiceError } from "../services/errors.ts";
import { postgresError } from "../services/postgres-errors.ts";
import { alertsCommand } from "./commands/alerts.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { compareCommand } from "./commands/compare.ts";
import { historyCommand } from "./commands/history.ts";
import { importCommand } from "./commands/import.ts";
import { keysCommand } from "./commands/keys.ts";
import { migrateCommand } from "./commands/migrate.ts";
import { maintenanceCommand } from "./commands/maintenance.ts";
import { retentionCommand } from "./commands/retention.ts";
import { captureCommand, trackCommand, untrackCommand } from "./commands/track.ts";
import { breakOffProgress } from "./progress.ts";
import { MissingSettingError, setDataDir } from "./settings.ts";

const program = new Command("afterimage")
  .description(
    "Operator commands of Afterimage. Each works on the database that the environment names;\nwithout one, on the local stack that npm start runs here.",
  )
  .showHelpAfterError()
  .option("--data <dir>", "the local stack's folder, as given to npm start", ".afterimage")
  .hook("preAction", (command) => setDataDir(command.opts<{ data: string }>().data))
  .addHelpText(
    "after",
    `
Environment:
  MIGRATE_DATABASE_URL   the admin that owns the database: migrate, track, untrack, capture,
                         maintenance
  DATABASE_URL           audit_app: keys, alerts, import, compare, doctor
  WORKER_DATABASE_URL    audit_worker: doctor, history, retention
  INNGEST_EVENT_KEY      the workflow engine (or INNGEST_BASE_URL, INNGEST_DEV): alerts test

Examples:
  npx afterimage migrate --dry-run
  npx afterimage keys create --name "chat app" --user alice --scopes events:write,trails:write
  npx afterimage track public.customers public.orders
  npx afterimage history verify
  npx afterimage retention preview
  npx afterimage import trails trails.ndjson
  npx afterimage alerts test
  npx afterimage doctor`,
  )
  .addCommand(migrateCommand())
  .addCommand(keysCommand())
  .addCommand(trackCommand())
  .addCommand(untrackCommand())
  .addCommand(captureCommand())
  .addCommand(historyCommand())
  .addCommand(retentionCommand())
  .addCommand(importCommand())
  .addCommand(compareCommand())
  .addCommand(maintenanceCommand())
  .addCommand(alertsCommand())
  .addCommand(doctorCommand());

/** What went wrong in one line, and what to do: a stack trace helps nobody at a terminal. */
function explain(error: unknown): string {
  if (
    error instanceof ServiceError ||
    error instanceof SchemaMismatchError ||
    error instanceof MissingSettingError
  ) {
    return error.message;
  }
  const refused = postgresError(error);
  if (refused) {
    const { code, message, hint } = refused;
    return `Postgres refused (${code}): ${message}${hint ? `. ${hint}` : ""}`;
  }
  const code = (error as { code?: string }).code;
  if (code === "ECONNREFUSED")
    return "Nothing answers at the database's address. Is it running? Locally: npm start";
  return error instanceof Error ? error.message : String(error);
}

try {
  await program.parseAsync();
} catch (error) {
  breakOffProgress();
  console.error(`afterimage: ${explain(error)}`);
  process.exitCode = 1;
}
