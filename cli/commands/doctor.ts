import { Command } from "commander";
import config from "../../afterimage.config.ts";
import { connect, type Db } from "../../db/client.ts";
import { databaseState } from "../../db/queries/readiness.ts";
import { checkReadiness, type Check } from "../../services/readiness/check.ts";
import { explain } from "../explain.ts";
import { databaseUrl, isQuietHere } from "../settings.ts";

const MARKS: Record<Check["status"], string> = { ok: "ok  ", warn: "warn", fail: "FAIL" };

/** What GET /api/ready looks at besides. */
const SKIPPED = {
  "cold files": "whether their storage answers",
  channels: "which are set",
  configuration: "whether the variables that it names are set",
};

export function doctorCommand(): Command {
  return new Command("doctor")
    .description(
      "Check the database as GET /api/ready does, say in words what is wrong and what to do, and name what only the deployment can check. Ends with 1 when something fails.",
    )
    .option("--json", "as JSON")
    .action(async ({ json = false }: { json?: boolean }) => {
      const [appUrl, workerUrl] = [databaseUrl("DATABASE_URL"), databaseUrl("WORKER_DATABASE_URL")];
      const [app, worker] = [connect(appUrl), connect(workerUrl)];
      try {
        const readiness = await checkReadiness(app.db, worker.db, {
          quiet: isQuietHere(),
          channels: null,
          config,
          forOperator: true,
        });
        const away = [
          ...(await unreached("DATABASE_URL", app.db)),
          ...(workerUrl === appUrl ? [] : await unreached("WORKER_DATABASE_URL", worker.db)),
        ];
        const checks = [...away, ...readiness.checks.filter((one) => !isUnknownHere(one))];
        const status = away.length > 0 ? "fail" : readiness.status;
        console.log(json ? JSON.stringify({ status, checks, skipped: SKIPPED }, null, 2) : inWords(checks));
        if (status === "fail") process.exitCode = 1;
      } finally {
        await Promise.all([app.close(), worker.close()]);
      }
    });
}

/** Why a variable's database cannot be asked; nothing where it can. */
async function unreached(variable: string, db: Db): Promise<Check[]> {
  try {
    await databaseState(db);
    return [];
  } catch (error) {
    return [{ name: variable, status: "fail", detail: explain(error) }];
  }
}

/** That no channel is disabled says little where it is not known whether there is one. */
const isUnknownHere = ({ name, status }: Check) => name === "channels" && status === "ok";

const inWords = (checks: readonly Check[]): string =>
  [
    ...checks.map(
      ({ name, status, detail, action }) =>
        `${MARKS[status]}  ${name}: ${detail}${action ? `\n      → ${action}` : ""}`,
    ),
    ...Object.entries(SKIPPED).map(([name, what]) => `skip  ${name}: only the deployment knows ${what}`),
    "      → Ask GET /api/ready of the deployment.",
  ].join("\n");
