import { randomBytes } from "node:crypto";
import type { App } from "../../api/_http/app.ts";
import { scopes } from "../../services/keys/scopes.ts";
import { hashSecret, newSecret, shownPrefix } from "../../services/keys/secret.ts";
import type { Query } from "./fingerprint.ts";
import { restoresOf } from "./restores.ts";

const PROJECTS = 300;
/** All that the key `narrow` may do. */
export const NARROW_SCOPE = scopes[0];
const YEAR_MS = 365 * 24 * 60 * 60 * 1_000;

export interface Tenant {
  workspaces: string[];
  projects: string[];
  /** Stands in every record of the tenant, and in no request that an attack sends. */
  canary: string;
}

/** Two tenants with records of every kind, and keys of every standing. */
export interface World {
  /** What no list tells: values by the path up to their parameter. */
  known: Record<string, string[]>;
  own: Tenant;
  foreign: Tenant;
  /** By name: own, foreign, all, narrow, revoked, expired. */
  secrets: Record<string, string>;
  /** Ids of these keys, which no attack may revoke. */
  keyIds: Set<string>;
}

export interface KeyRow {
  scopes?: readonly string[];
  workspaces?: string[] | null;
  projects?: string[] | null;
  expiresAt?: Date;
  revokedAt?: Date;
}

/** Mints a key straight in the database; all scopes and tenants unless told otherwise. */
export async function mint(
  query: Query,
  name: string,
  key: KeyRow = {},
): Promise<{ id: string; secret: string }> {
  const secret = newSecret();
  const [row] = await query(
    `insert into audit.api_keys
       (name, user_id, secret_hash, secret_prefix, scopes, workspaces, projects, created_by_user_id, expires_at, revoked_at)
     values ($1, 'user-' || $1, $2, $3, $4, $5, $6, 'attack', $7, $8) returning id`,
    [
      name,
      hashSecret(secret),
      shownPrefix(secret),
      key.scopes ?? scopes,
      key.workspaces ?? null,
      key.projects ?? null,
      key.expiresAt ?? null,
      key.revokedAt ?? null,
    ],
  );
  return { id: String(row?.id), secret };
}

function newTenant(kind: string): Tenant {
  const id = randomBytes(5).toString("hex");
  return {
    workspaces: [`${kind}-ws-${id}`, `${kind}-ws2-${id}`],
    projects: Array.from({ length: PROJECTS }, (_, i) => `${kind}-p${i}-${id}`),
    canary: `canary-${kind}-${id}`,
  };
}

export async function createWorld(app: App, query: Query): Promise<World> {
  const [own, foreign] = [newTenant("own"), newTenant("foreign")];
  const reach = ({ workspaces, projects }: Tenant) => ({ workspaces, projects });
  const keys = {
    own: await mint(query, "own", reach(own)),
    foreign: await mint(query, "foreign", reach(foreign)),
    all: await mint(query, "all"),
    narrow: await mint(query, "narrow", { ...reach(own), scopes: [NARROW_SCOPE] }),
    revoked: await mint(query, "revoked", { revokedAt: new Date() }),
    expired: await mint(query, "expired", { expiresAt: new Date(Date.now() - YEAR_MS) }),
  };
  const table = await trackedTable(query);
  await populate(app, query, keys.own.secret, own);
  await populate(app, query, keys.foreign.secret, foreign);
  await request(app, keys.all.secret, "POST", "/jobs/trail-rollup/run");
  return {
    known: {
      "/api/history/{table}": [table],
      "/api/history/{table}/{recordId}": ["1"],
      "/api/reports/weekly/{week}": [await weeklyReport(query)],
      ...(await restoresOf(query, table)),
      "/api/purges/{id}": await waitingPurges(query),
    },
    own,
    foreign,
    secrets: Object.fromEntries(Object.entries(keys).map(([name, { secret }]) => [name, secret])),
    keyIds: new Set(Object.values(keys).map(({ id }) => id)),
  };
}

/** A table of the application whose row 1 has a history. */
export async function trackedTable(query: Query): Promise<string> {
  const name = `attacked_${randomBytes(4).toString("hex")}`;
  await query(`create table public.${name} (id int primary key, name text)`);
  await query(`select audit.track('public.${name}')`);
  await query(`insert into public.${name} values (1, 'a')`);
  for (let i = 0; i < 20; i++) await query(`update public.${name} set name = name || 'x'`);
  return `public.${name}`;
}

/** A week that has a report. */
async function weeklyReport(query: Query): Promise<string> {
  const figures = { events: 0, byAction: [], otherActions: 0, byUser: [], byDay: [], partitions: [] };
  const security = { events: 0, byAction: [], latest: [] };
  await query(
    `insert into audit.weekly_reports (week, starts_at, ends_at, figures)
     values ('2026-W01', '2025-12-29T00:00:00Z', '2026-01-05T00:00:00Z', $1) on conflict do nothing`,
    [{ ...figures, security }],
  );
  return "2026-W01";
}

/** Proposals to be approved or rejected, of files that are not there: one request ends each. */
async function waitingPurges(query: Query): Promise<string[]> {
  const rows = await query(
    `insert into audit.purges (status, files, summary, expires_at)
     select 'awaiting_approval', array[gen_random_uuid()],
       '{"files": 1, "events": 1, "bytes": 1, "firstMonth": "2019-01", "lastMonth": "2019-01", "complianceWorkspaces": []}',
       now() + interval '30 days'
     from generate_series(1, 20)
     returning id`,
  );
  return rows.map(({ id }) => String(id));
}

async function request(app: App, secret: string, method: string, path: string, body?: object): Promise<void> {
  const response = await app.request(`http://localhost/api${path}`, {
    method,
    headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  if (!response.ok)
    throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
}

/** Records of every kind, each holding the tenant's canary. */
async function populate(app: App, query: Query, secret: string, tenant: Tenant): Promise<void> {
  const { canary } = tenant;
  const [workspaceId = "", otherId = ""] = tenant.workspaces;
  const call = (method: string, path: string, body?: object) => request(app, secret, method, path, body);
  const event = (actionType: string, workspace: string) => ({
    actionType,
    workspaceId: workspace,
    resourceType: "thing",
    resourceId: canary,
    createdByUserId: canary,
    userAgent: canary,
    newValues: { name: canary },
  });
  // "aXYb" is what `a%_b` would find if a wildcard got through.
  const events = ["TEST_EVENT", "aXYb", "TESTXEVENT"].map((one) => event(one, workspaceId));
  await call("POST", "/audit/log/batch", { events: [...events, event("TEST_EVENT", otherId)] });
  for (const projectId of tenant.projects.slice(0, 4)) {
    await call("PUT", `/trails/m-${projectId}`, {
      projectId,
      model: canary,
      contextLayers: 1,
      reasoning: [canary],
    });
  }
  for (let i = 0; i < 4; i++) {
    await call("POST", "/keys", { name: `${canary}-${i}`, scopes: ["keys:manage"] });
    await call("POST", "/holds", { workspaceId, reason: canary });
  }
  await query(
    `insert into audit.alerts (code, subject, severity, message)
     select 'job.failed', $1 || i, 'warning', 'a test' from generate_series(1, 20) i`,
    [`attack-${randomBytes(4).toString("hex")}-`],
  );
}
