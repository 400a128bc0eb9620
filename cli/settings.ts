import path from "node:path";
import { isQuietDeployment } from "../lib/env.ts";
import { readDevFile } from "../local/dev-file.ts";

const FROM_DEV_FILE = {
  DATABASE_URL: "databaseUrl",
  WORKER_DATABASE_URL: "workerDatabaseUrl",
  MIGRATE_DATABASE_URL: "ownerDatabaseUrl",
} as const;

let dataDir = ".afterimage";

/** Where the local stack keeps its data, if not in .afterimage: the --data of npm start. */
export function setDataDir(folder: string): void {
  dataDir = folder;
}

type Setting = keyof typeof FROM_DEV_FILE;

export class MissingSettingError extends Error {
  override name = "MissingSettingError";
}

/** A database URL from the environment, or of the local stack that runs in this folder. */
export function databaseUrl(name: Setting): string {
  const shared = name === "WORKER_DATABASE_URL" ? process.env.DATABASE_URL : undefined;
  const url = process.env[name] || shared || (hasDatabase() ? undefined : localStack()[FROM_DEV_FILE[name]]);
  if (typeof url === "string" && url !== "") return url;
  throw new MissingSettingError(`Set ${name}, or start the local stack in this folder with npm start.`);
}

/** Which database the API's commands work on, by its address: without a user's name or password. */
export function databasePlace(): string {
  const { host, pathname } = new URL(databaseUrl("DATABASE_URL"));
  return `${host}${pathname}`;
}

/**
 * Where the workflow engine of the local stack is; undefined when the environment names one (INNGEST_DEV,
 * INNGEST_BASE_URL, or INNGEST_EVENT_KEY for Inngest Cloud), which its client reads itself.
 */
export function engineUrl(): string | undefined {
  const { INNGEST_DEV, INNGEST_BASE_URL, INNGEST_EVENT_KEY } = process.env;
  if (INNGEST_DEV || INNGEST_BASE_URL || INNGEST_EVENT_KEY) return undefined;
  const url = hasDatabase() ? undefined : localStack().inngestUrl;
  if (typeof url === "string") return url;
  throw new MissingSettingError(
    "Set INNGEST_EVENT_KEY (or INNGEST_BASE_URL, or INNGEST_DEV) as in the deployment, or start the local stack in this folder with npm start.",
  );
}

/** Whether the environment is that of a deployment which raises no alarms. */
export const isQuietHere = (): boolean =>
  isQuietDeployment({
    AFTERIMAGE_QUIET: process.env.AFTERIMAGE_QUIET === "true",
    VERCEL_ENV: process.env.VERCEL_ENV,
  });

/** Either the environment says where to work, or the local stack does: never half of each. */
function hasDatabase(): boolean {
  return Object.keys(FROM_DEV_FILE).some((name) => process.env[name]);
}

function localStack(): Record<string, unknown> {
  return { ...readDevFile(path.resolve(dataDir)) };
}
