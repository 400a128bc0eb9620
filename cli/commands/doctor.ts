import { Command } from "commander";
import config from "../../afterimage.config.ts";
import { connect } from "../../db/client.ts";
import { checkReadiness, type Check } from "../../services/readiness/check.ts";
import { databaseUrl, isQuietHere } from "../settings.ts";

const MARKS: Record<Check["status"], string> = { ok: "ok  ", warn: "warn", fail: "FAIL" };

export function doctorCommand(): Command {
  return new Command("doctor")
    .description("Say in words what GET /api/ready checks, and what to do. Ends with 1 when something fails.")
    .option("--json", "as JSON")
    .action(async ({ json = false }: { json?: boolean }) => {
      const app = connect(databaseUrl("DATABASE_URL"));
      const worker = connect(databaseUrl("WORKER_DATABASE_URL"));
      try {
        const readiness = await checkReadiness(app.db, worker.db, {
          quiet: isQuietHere(),
          channels: null,
          config,
          forOperator: true,
        });
        console.log(json ? JSON.stringify(readiness, null, 2) : readiness.checks.map(inWords).join("\n"));
        if (readiness.status === "fail") process.exitCode = 1;
      } finally {
        await Promise.all([app.close(), worker.close()]);
      }
    });
}

const inWords = ({ name, status, detail, action }: Check) =>
  `${MARKS[status]}  ${name}: ${detail}${action ? `\n      → ${action}` : ""}`;
