import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { schedules } from "../lib/schedules.ts";
import { DEADLOCK_DETECTED, INTERNAL_ERROR, LOCK_NOT_AVAILABLE, UNIQUE_VIOLATION } from "../lib/sqlstate.ts";
import { pieces, type Piece } from "./pieces.ts";
import { statements } from "./statements.ts";

/** While DDL waits for a lock it makes every reader behind it wait, so it gives up soon and comes back. */
const LOCK_TIMEOUT = "2s";
const LOCK_ATTEMPTS = 8;
const RETRY_MS = 2_000;
const OTHER_MIGRATION_TIMEOUT = "120s";
const ADVISORY_LOCK = 7_310_592;
const RETRYABLE = new Set([LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED, INTERNAL_ERROR]);

interface MigrationResult {
  /** Names of the pieces that were applied, in order; empty when the database was up to date. */
  applied: string[];
  dryRun: boolean;
}

/** The database and this code do not belong together; the message says which way and what to do. */
export class SchemaMismatchError extends Error {
  override name = "SchemaMismatchError";
}

/**
 * Brings the schema `audit` up to this code in one transaction, as the admin (CREATEROLE, no superuser).
 * An advisory lock keeps a second migration waiting; DDL waits at most 2 s for a lock, and the whole is tried
 * `attempts` times. With `dryRun` everything is executed and rolled back. `passwords` sets the login roles' passwords.
 * Throws SchemaMismatchError when a landed migration was edited or the database is newer than this code.
 */
export async function migrate(options: {
  url: string;
  dryRun?: boolean;
  passwords?: { audit_app?: string; audit_worker?: string };
  attempts?: number;
}): Promise<MigrationResult> {
  const attempts = options.attempts ?? LOCK_ATTEMPTS;
  for (let attempt = 1; ; attempt++) {
    const client = new pg.Client({ connectionString: options.url, application_name: "afterimage migrate" });
    client.on("error", () => undefined);
    await client.connect();
    try {
      return await migrateOnce(client, options.dryRun ?? false, options.passwords ?? {});
    } catch (error) {
      if (!isRetryable(error)) throw error;
      if (attempt >= attempts) throw explained(error, attempts);
      await sleep(RETRY_MS);
    } finally {
      await client.end();
    }
  }
}

/** Makes a Neon branch or restored copy the database that schedules and alarms run on; anywhere else it changes nothing. */
export async function makeHome(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: "afterimage migrate" });
  await client.connect();
  try {
    await client.query("begin");
    await asRole(client, "audit_owner", "select audit.make_home()");
    await client.query("commit");
  } finally {
    await client.end();
  }
}

/** Two databases of one cluster share its roles: when both make one at once, the slower finds it there. */
function isRetryable(error: unknown): boolean {
  const { code = "", schema } = error as { code?: string; schema?: string };
  return RETRYABLE.has(code) || (code === UNIQUE_VIOLATION && schema === "pg_catalog");
}

function explained(error: unknown, attempts: number): unknown {
  if (error instanceof Error && (error as { code?: string }).code === LOCK_NOT_AVAILABLE) {
    error.message += `. Tried ${attempts} times: another transaction holds the table. Nothing was changed; end that transaction or migrate when it is done.`;
  }
  return error;
}

async function migrateOnce(
  client: pg.Client,
  dryRun: boolean,
  passwords: Record<string, string>,
): Promise<MigrationResult> {
  await client.query("begin");
  await client.query(`set local lock_timeout = '${OTHER_MIGRATION_TIMEOUT}'`);
  await client.query("set local timezone = 'UTC'");
  await client.query("set local client_min_messages = 'warning'");
  await client.query("select pg_advisory_xact_lock($1)", [ADVISORY_LOCK]);
  await client.query(`set local lock_timeout = '${LOCK_TIMEOUT}'`);
  const done = await readLedger(client);
  const applied: Piece[] = [];
  let leaveKeeper: (() => Promise<void>) | undefined;
  for (const piece of pieces()) {
    if (isDone(piece, done) && !(piece.followsChanges && applied.length > 0)) continue;
    if (piece.role === "audit_keeper") leaveKeeper ??= await enterKeeper(client);
    await apply(client, piece);
    applied.push(piece);
  }
  await leaveKeeper?.();
  if (applied.length > 0) await record(client, applied);
  await registerSchedules(client);
  await setPasswords(client, passwords);
  await client.query(dryRun ? "rollback" : "commit");
  return { applied: applied.map((piece) => piece.name), dryRun };
}

/**
 * Lets this transaction act as audit_keeper, the role that the guards let through, and own functions as it (which needs
 * CREATE on the schema at that moment). Returns what takes both back, so that no session of the admin stands in it.
 */
async function enterKeeper(client: pg.Client): Promise<() => Promise<void>> {
  const { rows } = await client.query<{ version: number }>(
    "select current_setting('server_version_num')::int as version",
  );
  const options = (rows[0]?.version ?? 0) >= 160_000 ? " with inherit false, set true" : "";
  await client.query(`grant audit_keeper to current_user${options}`);
  await asRole(client, "audit_owner", "grant usage, create on schema audit to audit_keeper");
  return async () => {
    await asRole(client, "audit_owner", "revoke create on schema audit from audit_keeper");
    await client.query("revoke audit_keeper from current_user");
  };
}

async function readLedger(client: pg.Client): Promise<Map<string, string>> {
  const ledger = await client.query(
    "select from pg_class where relname = 'schema_versions' and relnamespace = to_regnamespace('audit')",
  );
  if (ledger.rowCount === 0) return new Map();
  await client.query("set local role audit_owner");
  const { rows } = await client.query<{ name: string; checksum: string }>(
    "select name, checksum from audit.schema_versions",
  );
  await client.query("reset role");
  const known = new Set(pieces().map((one) => one.name));
  const strange = rows.find((row) => !known.has(row.name));
  if (strange) {
    throw new SchemaMismatchError(
      `The database has ${strange.name}, which this code does not know: it was migrated by a newer version. Deploy that version.`,
    );
  }
  return new Map(rows.map((row) => [row.name, row.checksum]));
}

function isDone(piece: Piece, done: Map<string, string>): boolean {
  const checksum = done.get(piece.name);
  if (checksum === piece.checksum) return true;
  if (checksum !== undefined && piece.name.startsWith("migrations/")) {
    throw new SchemaMismatchError(
      `${piece.name} was edited after it was applied. Restore it and put the change into a new migration.`,
    );
  }
  return false;
}

async function apply(client: pg.Client, piece: Piece): Promise<void> {
  if (piece.role !== "admin") await client.query(`set local role ${piece.role}`);
  for (const { text, line } of statements(piece.text)) {
    try {
      await client.query(text);
    } catch (error) {
      if (error instanceof Error) {
        const position = Number((error as { position?: string }).position ?? 0);
        const at = line + text.slice(0, position).split("\n").length - 1;
        error.message = `db/${piece.name}:${at}: ${error.message}`;
      }
      throw error;
    }
  }
  await client.query("reset role");
  if (piece.name === "sql/schema.sql") await asRole(client, "audit_owner", LEDGER);
}

const LEDGER = `
create table if not exists audit.schema_versions (
  name text primary key,
  checksum text not null,
  applied_at timestamptz not null default clock_timestamp()
);
comment on table audit.schema_versions is 'Which migrations and SQL files this database has, by SHA-256 of their text.';
comment on column audit.schema_versions.name is 'The file, as a path below db/.';`;

async function record(client: pg.Client, applied: Piece[]): Promise<void> {
  await client.query("set local role audit_owner");
  await client.query(
    `insert into audit.schema_versions (name, checksum)
     select * from jsonb_to_recordset($1) as p (name text, checksum text)
     on conflict (name) do update set checksum = excluded.checksum, applied_at = clock_timestamp()`,
    [JSON.stringify(applied.map(({ name, checksum }) => ({ name, checksum })))],
  );
  await client.query("reset role");
}

async function asRole(client: pg.Client, role: "audit_owner", text: string): Promise<void> {
  await client.query(`set local role ${role}`);
  await client.query(text);
  await client.query("reset role");
}

async function registerSchedules(client: pg.Client): Promise<void> {
  await client.query("set local role audit_owner");
  await client.query(
    `insert into audit.job_schedules as s (job_id, cron, late_after_seconds)
     select * from jsonb_to_recordset($1) as j (id text, cron text, "lateAfterSeconds" int)
     on conflict (job_id) do update set cron = excluded.cron, late_after_seconds = excluded.late_after_seconds
     where (s.cron, s.late_after_seconds) is distinct from (excluded.cron, excluded.late_after_seconds)`,
    [JSON.stringify(schedules)],
  );
  // A schedule that is gone would be late for ever.
  await client.query("delete from audit.job_schedules where job_id <> all ($1)", [
    schedules.map((schedule) => schedule.id),
  ]);
  await client.query("reset role");
}

async function setPasswords(client: pg.Client, passwords: Record<string, string>): Promise<void> {
  for (const role of ["audit_app", "audit_worker"]) {
    const password = passwords[role];
    if (password) await client.query(`alter role ${role} password ${client.escapeLiteral(password)}`);
  }
}
