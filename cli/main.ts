import { Command } from "commander";
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
import { explain } from "./explain.ts";
import { breakOffProgress } from "./progress.ts";
import { setDataDir } from "./settings.ts";

const program = new Command("afterimage")
  .description(
    "Operator commands of Afterimage. Each works on the database that the environment names; without one, on the local stack that npm start runs here.",
  )
  .showHelpAfterError()
  .option("--data <dir>", "the local stack's folder, as given to npm start", ".afterimage")
  .hook("preAction", (command) => setDataDir(command.opts<{ data: string }>().data))
  .addHelpText(
    "after",
    `
Environment:
  DATABASE_URL           audit_app: keys, alerts, import, compare, doctor; and
                         to note what they do: track, untrack, capture,
                         maintenance, migrate --make-home
  WORKER_DATABASE_URL    audit_worker: history, retention, doctor; without it
                         DATABASE_URL
  MIGRATE_DATABASE_URL   the admin that owns the database: migrate, track,
                         untrack, capture, maintenance
  INNGEST_EVENT_KEY      the workflow engine (or INNGEST_BASE_URL, INNGEST_DEV):
                         alerts test, capture

Examples:
  npx afterimage migrate --dry-run
  npx afterimage keys create --name "chat app" --user alice
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

try {
  await program.parseAsync();
} catch (error) {
  breakOffProgress();
  console.error(`afterimage: ${explain(error)}`);
  process.exitCode = 1;
}
