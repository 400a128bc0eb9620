import type { Db } from "../../db/client.ts";
import { isBranch } from "../../db/queries/home.ts";
import { lateSchedules } from "../../db/queries/jobs.ts";
import { disabledChannels } from "../../db/queries/notifications.ts";
import { partitionSchedule } from "../../db/queries/partitions.ts";
import {
  appliedVersions,
  databaseState,
  openAlertCount,
  unguardedPartitions,
  waitingCount,
} from "../../db/queries/readiness.ts";
import { trackedColumns } from "../../db/queries/tracking.ts";
import { checkConfig, tablesOf, variablesOf } from "../../lib/config-check.ts";
import type { Config } from "../../lib/config.ts";
import { envSecret } from "../../lib/env.ts";
import type { Archive } from "../cold/open-file.ts";
import { cleanupProblems } from "../cleanup/preview.ts";
import { minutesWithoutSuccess } from "../jobs/job.ts";
import { schemaVersions } from "../../db/schema-versions.ts";
import { checkColdFiles } from "./check-cold.ts";
import { checkCapture, checkHistory } from "./check-history.ts";
import { ok, type Check, type Verdict } from "./verdict.ts";

const MONTHS_AHEAD_MIN = 2;
/** Gets its rows months later, so it may lack this one. */
const LATE_TABLE = "audit_events_archive";
const WAITING_SECONDS = 5 * 60;
const SERVER_VERSION_MIN = 150_000;
const PROBLEMS_SHOWN_MAX = 10;

export type { Check };

export interface Readiness {
  /** The worst of the checks: `fail` means that requests fail or that the log is not guarded. */
  status: Check["status"];
  checks: Check[];
}

/** What the deployment says about itself. */
export interface Deployment {
  quiet: boolean;
  /** Where its alerts go; null where only the deployment itself knows, as at a terminal. */
  channels: readonly string[] | null;
  /** Where its cold files are, null without ARCHIVE_URL; not checked where it is absent, as at a terminal. */
  archive?: Archive | null;
  /** What `afterimage.config.ts` says; not checked where it is absent. */
  config?: Config;
  /** Whether only an operator reads the answer, so that it may name the application's tables; else anybody may. */
  forOperator?: boolean;
}

/** Everything an operator should know before trusting the service, most basic first. Never throws. */
export async function checkReadiness(
  app: Db,
  worker: Db,
  { quiet, channels, archive, config, forOperator = false }: Deployment,
): Promise<Readiness> {
  const checks: Check[] = [];
  const check = async (name: string, look: () => Promise<Verdict>) => {
    checks.push({ name, ...(await look().catch(failed)) });
  };
  await check("database", () => checkDatabase(app));
  if (checks[0]?.status !== "fail") {
    await check("schema", () => checkSchema(app));
    await check("guards", () => checkGuards(app));
    await check("partitions", () => checkPartitions(app));
    await check("capture", () => checkCapture(app));
    await check("history", () => checkHistory(worker));
    if (archive !== undefined) await check("cold files", () => checkColdFiles(app, archive));
    await check("roles", () => checkRoles(app, worker));
    await check("home", () => checkHome(app, quiet));
    await check("schedules", () => checkSchedules(app, quiet));
    await check("workflow requests", () => checkWaiting(app));
    await check("alerts", () => checkAlerts(app));
    if (!quiet) await check("channels", () => checkChannels(app, channels));
    if (config) await check("configuration", () => checkConfiguration(app, worker, config, forOperator));
  }
  const worst = (["fail", "warn"] as const).find((status) => checks.some((one) => one.status === status));
  return { status: worst ?? "ok", checks };
}

const failed = (): Verdict => ({
  status: "fail",
  detail: "The check itself failed; the database did not answer it.",
  action:
    "Check DATABASE_URL and WORKER_DATABASE_URL, and that the database is up; then run: npx afterimage migrate",
});

async function checkDatabase(db: Db): Promise<Verdict> {
  const { serverVersion } = await databaseState(db);
  const shown = `PostgreSQL ${Math.floor(serverVersion / 10_000)}`;
  if (serverVersion >= SERVER_VERSION_MIN) return ok(shown);
  return { status: "fail", detail: `${shown} is too old.`, action: "Use PostgreSQL 15 or newer." };
}

async function checkSchema(db: Db): Promise<Verdict> {
  const applied = new Map((await appliedVersions(db)).map((one) => [one.name, one.checksum]));
  const names = Object.keys(schemaVersions);
  const missing = names.filter((name) => applied.get(name) !== schemaVersions[name]);
  const unknown = [...applied.keys()].filter((name) => !(name in schemaVersions));
  if (unknown.length > 0) {
    return {
      status: "fail",
      detail: `The database is newer than this code (${unknown.join(", ")}).`,
      action: "Deploy the version that migrated it.",
    };
  }
  if (missing.length > 0) {
    return {
      status: "fail",
      detail: `The database is older than this code (${missing.join(", ")}).`,
      action: "Run: npx afterimage migrate",
    };
  }
  return ok(`${names.length} pieces, all as in this code`);
}

async function checkGuards(db: Db): Promise<Verdict> {
  const open = await unguardedPartitions(db);
  if (open.length === 0) return ok("every part of the log refuses changes");
  return {
    status: "fail",
    detail: `The log can be changed in: ${open.join(", ")}.`,
    action:
      "Someone switched guards off or replaced them; find out who. As audit_owner: alter table audit.<name> enable trigger all; delete from audit.schema_versions where name like 'sql/%'. Then: npx afterimage migrate",
  };
}

async function checkPartitions(db: Db): Promise<Verdict> {
  const tables = await partitionSchedule(db);
  // The job that makes them writes an event, too, so only SQL helps where this month is missing.
  const action = "As the admin, in SQL: select audit.create_monthly_audit_partition()";
  const missing = tables.filter((one) => !one.coversNow && one.tableName !== LATE_TABLE);
  if (missing.length > 0) {
    const names = missing.map((one) => one.tableName).join(", ");
    return {
      status: "fail",
      detail: `No partition for this month, so nothing can be written: ${names}.`,
      action,
    };
  }
  const short = tables.filter((one) => one.monthsAhead < MONTHS_AHEAD_MIN);
  if (short.length === 0) return ok(`at least ${MONTHS_AHEAD_MIN} months lie ahead`);
  const detail = short.map((one) => `${one.tableName}: ${one.monthsAhead} months ahead`).join(", ");
  return { status: "warn", detail, action };
}

async function checkRoles(app: Db, worker: Db): Promise<Verdict> {
  const [api, jobs] = [await databaseState(app), await databaseState(worker)];
  if (api.isSuperuser || api.isOwner) {
    return {
      status: "warn",
      detail: `The API logs in as ${api.role}, which may become the owner of the audit tables.`,
      action: "Set DATABASE_URL to audit_app: then not even a broken API can alter an event.",
    };
  }
  if (api.role !== jobs.role) return ok(`API as ${api.role}, workflows as ${jobs.role}`);
  return {
    status: "warn",
    detail: `API and workflows both log in as ${api.role}; the division of their rights is given up.`,
    action: "Set WORKER_DATABASE_URL to audit_worker.",
  };
}

/** A copy that takes itself for the original would raise its alarms; an original that takes itself for a copy, none. */
async function checkHome(db: Db, quiet: boolean): Promise<Verdict> {
  if (quiet) return ok("a quiet deployment: no schedule runs and no alarm goes out");
  if (!(await isBranch(db))) return ok("schedules and alarms run here");
  return {
    status: "fail",
    detail: "The database is a branch or a restored copy: no schedule runs and no alarm goes out.",
    action:
      "If it is the production database from now on: npx afterimage migrate --make-home. If not, set AFTERIMAGE_QUIET=true.",
  };
}

async function checkSchedules(db: Db, quiet: boolean): Promise<Verdict> {
  if (quiet) return ok("none runs in a quiet deployment");
  const late = await lateSchedules(db);
  if (late.length === 0) return ok("every schedule succeeded in time, or has not had to yet");
  return {
    status: "warn",
    detail: late
      .map((one) => `${one.jobId}: no success for ${minutesWithoutSuccess(one)} minutes`)
      .join(", "),
    action: "Check that the workflow engine reaches the service, then POST /api/jobs/<id>/run.",
  };
}

async function checkWaiting(db: Db): Promise<Verdict> {
  const count = await waitingCount(db, WAITING_SECONDS);
  if (count === 0) return ok("none waits");
  return {
    status: "warn",
    detail: `${count} have waited for over ${WAITING_SECONDS / 60} minutes.`,
    action: "The workflow engine is away or does not know this service: check INNGEST_* and register again.",
  };
}

async function checkAlerts(db: Db): Promise<Verdict> {
  const count = await openAlertCount(db);
  if (count === 0) return ok("none open");
  return {
    status: "warn",
    detail: `${count} open.`,
    action: "GET /api/alerts, or: npx afterimage alerts list",
  };
}

async function checkChannels(db: Db, configured: readonly string[] | null): Promise<Verdict> {
  if (configured?.length === 0) {
    return {
      status: "warn",
      detail: "Alerts go nowhere.",
      action:
        "Set SMTP_URL or ALERT_WEBHOOK_URL with what belongs to it (docs/ALERTS.md), then: npx afterimage alerts test",
    };
  }
  const disabled = [...(await disabledChannels(db))].filter((id) => configured?.includes(id) ?? true);
  if (disabled.length > 0) {
    return {
      status: "warn",
      detail: `Disabled, because nothing arrived: ${disabled.join(", ")}.`,
      action: "Mend it, then: npx afterimage alerts test",
    };
  }
  return ok(configured ? `alerts go out by ${configured.join(", ")}` : "none is disabled");
}

async function checkConfiguration(
  db: Db,
  worker: Db,
  config: Config,
  forOperator: boolean,
): Promise<Verdict> {
  const tables = tablesOf(config);
  const columns = await trackedColumns(db, tables);
  const problems = checkConfig(config, (table) => columns.get(table) ?? null);
  // The terminal has an environment of its own.
  const unset = forOperator ? [] : variablesOf(config).filter((name) => envSecret(name) === undefined);
  const rules = await cleanupProblems(worker, config);
  if (problems.length + unset.length + rules.length === 0)
    return ok("every table and column that it names is tracked");
  const named = problems.slice(0, PROBLEMS_SHOWN_MAX).join("; ");
  const details = [
    ...(problems.length > 0
      ? [forOperator ? named : `names that fit no tracked table or column: ${problems.length}`]
      : []),
    ...(rules.length > 0
      ? [
          forOperator
            ? rules.slice(0, PROBLEMS_SHOWN_MAX).join("; ")
            : `rules of the retention that do not fit the database: ${rules.length}`,
        ]
      : []),
    ...(unset.length > 0 ? [`not set: ${unset.join(", ")}`] : []),
  ];
  return {
    status: "warn",
    detail: `${details.join("; ")}.`,
    action: forOperator
      ? "Mend afterimage.config.ts (docs/RESTORES.md, docs/CLEANUP.md), or: npx afterimage track <schema.name>"
      : "Run: npx afterimage doctor, which names them; set the variables that are named here.",
  };
}
