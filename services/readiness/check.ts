import type { Db } from "../../db/client.ts";
import type { Config } from "../../lib/config.ts";
import type { Archive } from "../cold/open-file.ts";
import { kindsOf } from "../errors.ts";
import { checkAlerts, checkChannels } from "./check-alerts.ts";
import { checkColdFiles } from "./check-cold.ts";
import { checkConfiguration } from "./check-config.ts";
import { checkDatabase, checkHome, checkRoles, checkSchema } from "./check-database.ts";
import { checkCapture, checkHistory } from "./check-history.ts";
import { checkGuards, checkPartitions } from "./check-log.ts";
import { checkSchedules, checkWaiting } from "./check-workflows.ts";
import type { Check, Verdict } from "./verdict.ts";

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
  /** Whether only an operator reads the answer, at a terminal, so that it may name what is the application's; else anybody may. */
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
    const { forOperator: named, ...verdict } = await look().catch(failed);
    checks.push({ name, ...verdict, ...(forOperator ? named : {}) });
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
    if (config) {
      const isDeployed = !forOperator;
      await check("configuration", () => checkConfiguration(app, worker, config, { isDeployed }));
    }
  }
  const worst = (["fail", "warn"] as const).find((status) => checks.some((one) => one.status === status));
  return { status: worst ?? "ok", checks };
}

const failed = (error: unknown): Verdict => ({
  status: "fail",
  detail: "The check itself failed; the database did not answer it.",
  action:
    "Check DATABASE_URL and WORKER_DATABASE_URL, and that the database is up; then run: npx afterimage migrate",
  forOperator: {
    detail: `The check itself failed; the database did not answer it (${kindsOf(error).join(" ← ")}).`,
  },
});
