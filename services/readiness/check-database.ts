import type { Db } from "../../db/client.ts";
import { isBranch } from "../../db/queries/home.ts";
import { appliedVersions, databaseState } from "../../db/queries/readiness.ts";
import { schemaVersions } from "../../db/schema-versions.ts";
import { ok, type Verdict } from "./verdict.ts";

const SERVER_VERSION_MIN = 150_000;

export async function checkDatabase(db: Db): Promise<Verdict> {
  const { serverVersion } = await databaseState(db);
  const shown = `PostgreSQL ${Math.floor(serverVersion / 10_000)}`;
  if (serverVersion >= SERVER_VERSION_MIN) return ok(shown);
  return { status: "fail", detail: `${shown} is too old.`, action: "Use PostgreSQL 15 or newer." };
}

export async function checkSchema(db: Db): Promise<Verdict> {
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

export async function checkRoles(app: Db, worker: Db): Promise<Verdict> {
  const [api, jobs] = [await databaseState(app), await databaseState(worker)];
  if (api.isSuperuser || api.isOwner) {
    return {
      status: "warn",
      detail: "The API logs in as a role that may become the owner of the audit tables.",
      action: "Set DATABASE_URL to audit_app: then not even a broken API can alter an event.",
      forOperator: {
        detail: `The API logs in as ${api.role}, which may become the owner of the audit tables.`,
      },
    };
  }
  if (api.role !== jobs.role) {
    return {
      ...ok("API and workflows log in as a role each"),
      forOperator: { detail: `API as ${api.role}, workflows as ${jobs.role}` },
    };
  }
  return {
    status: "warn",
    detail: "API and workflows log in as the same role; the division of their rights is given up.",
    action: "Set WORKER_DATABASE_URL to audit_worker.",
    forOperator: {
      detail: `API and workflows both log in as ${api.role}; the division of their rights is given up.`,
    },
  };
}

/** A copy that takes itself for the original would raise its alarms; an original that takes itself for a copy, none. */
export async function checkHome(db: Db, quiet: boolean): Promise<Verdict> {
  if (quiet) return ok("a quiet deployment: no schedule runs and no alarm goes out");
  if (!(await isBranch(db))) return ok("schedules and alarms run here");
  return {
    status: "fail",
    detail: "The database is a branch or a restored copy: no schedule runs and no alarm goes out.",
    action:
      "If it is the production database from now on: npx afterimage migrate --make-home. If not, set AFTERIMAGE_QUIET=true.",
  };
}
