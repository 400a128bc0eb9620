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

/** A database URL from the environment, or of the local stack that runs in this folder. */
export function databaseUrl(name: Setting): string {
  const named = name === "WORKER_DATABASE_URL" && !process.env[name] ? "DATABASE_URL" : name;
  const url = process.env[named] || (hasDatabase() ? undefined : localStack()[FROM_DEV_FILE[name]]);
  if (typeof url !== "string" || url === "")
    throw new Error(`Set ${name}, or start the local stack in this folder with npm start.`);
  return checkedUrl(named, url);
}

/** The password that the environment has for a role of ours, in the URL of a variable; undefined where it has none. */
export function passwordOf(role: string, name: Setting): string | undefined {
  const text = process.env[name];
  const { username, password } = text ? parts(checkedUrl(name, text)) : {};
  return username === role && password ? decodeURIComponent(password) : undefined;
}

/** Which database the API's commands work on, by its address: without a user's name or password. */
export function databasePlace(): string {
  const { host, pathname } = parts(databaseUrl("DATABASE_URL"));
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
  throw new Error(
    "Set INNGEST_EVENT_KEY (or INNGEST_BASE_URL, or INNGEST_DEV) as in the deployment, or start the local stack in this folder with npm start.",
  );
}

/** Whether the environment is that of a deployment which raises no alarms. */
export const isQuietHere = (): boolean =>
  isQuietDeployment({
    AFTERIMAGE_QUIET: process.env.AFTERIMAGE_QUIET === "true",
    VERCEL_ENV: process.env.VERCEL_ENV,
  });

/** Refuses what `pg` cannot read, without quoting it. */
function checkedUrl(name: Setting, text: string): string {
  const isSocket = /^(socket:|\/)/.test(text);
  if (isSocket || (/^postgres(ql)?:\/\//.test(text) && URL.canParse(withHost(text)))) return text;
  throw new Error(
    `${name} is no Postgres URL: postgresql://user:password@host:5432/database is wanted. In user and password write %23 for #, %2F for /, %3F for ? and %40 for @.`,
  );
}

const parts = (url: string) => new URL(withHost(url), "socket:///");

/** A URL of Postgres may leave its host out, as one of a Unix socket does; others may not. */
const withHost = (url: string) => url.replace("@/", "@localhost/");

/** Either the environment says where to work, or the local stack does: never half of each. */
function hasDatabase(): boolean {
  return Object.keys(FROM_DEV_FILE).some((name) => process.env[name]);
}

function localStack(): Record<string, unknown> {
  return { ...readDevFile(path.resolve(dataDir)) };
}
