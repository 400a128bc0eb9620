import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { schedules } from "../lib/schedules.ts";

const LOCK_TIMEOUT = "5s";
const LOCK_ATTEMPTS = 6;
const RETRY_MS = 2_000;
const ADVISORY_LOCK = 7_310_592;
const RETRYABLE = new Set(["55P03", "40P01", "XX000"]);

/** Applied around the table migrations, each whenever its text has changed; later files may use earlier ones. */
const BEFORE_TABLES = ["roles", "schema", "keeper"];
const AFTER_TABLES = [
  "events-guard",
  "events-chronology",
  "events-membership",
  "events-insert",
  "events-read",
  "partitions",
  "idempotency",
  "trails",
  "events-service",
  "comments",
];
const GRANTS = ["grants", "grants-keeper"];

interface Piece {
  name: string;
  role: "admin" | "audit_owner" | "audit_keeper";
  text: string;
  checksum: string;
}

export interface MigrationResult {
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
 * An advisory lock keeps a second migration waiting; DDL waits at most 5 s for a lock and is tried again.
 * With `dryRun` everything is executed and rolled back. `passwords` sets the login roles' passwords.
 * Throws SchemaMismatchError when a landed migration was edited or the database is newer than this code.
 */
export async function migrate(options: {
  url: string;
  dryRun?: boolean;
  passwords?: { audit_app?: string; audit_worker?: string };
}): Promise<MigrationResult> {
  for (let attempt = 1; ; attempt++) {
    const client = new pg.Client({ connectionString: options.url, application_name: "afterimage migrate" });
    client.on("error", () => undefined);
    await client.connect();
    try {
      return await migrateOnce(client, options.dryRun ?? false, options.passwords ?? {});
    } catch (error) {
      const code = (error as { code?: string }).code ?? "";
      if (!RETRYABLE.has(code) || attempt === LOCK_ATTEMPTS) throw error;
      await sleep(RETRY_MS);
    } finally {
      await client.end();
    }
  }
}

async function migrateOnce(
  client: pg.Client,
  dryRun: boolean,
  passwords: Record<string, string>,
): Promise<MigrationResult> {
  await client.query("begin");
  await client.query(`set local lock_timeout = '${LOCK_TIMEOUT}'`);
  await client.query("set local timezone = 'UTC'");
  await client.query("set local client_min_messages = 'warning'");
  await client.query("select pg_advisory_xact_lock($1)", [ADVISORY_LOCK]);
  const done = await readLedger(client);
  const applied: Piece[] = [];
  for (const piece of pieces()) {
    const isGrant = GRANTS.some((name) => piece.name === `sql/${name}.sql`);
    if (isGrant ? applied.length === 0 : isDone(piece, done)) continue;
    await apply(client, piece);
    applied.push(piece);
  }
  if (applied.length > 0) {
    await asRole(client, "audit_owner", "revoke create on schema audit from audit_keeper");
    await record(client, applied);
  }
  await registerSchedules(client);
  await setPasswords(client, passwords);
  await client.query(dryRun ? "rollback" : "commit");
  return { applied: applied.map((piece) => piece.name), dryRun };
}

/** All pieces in order: SQL files before the tables, the table migrations, the other SQL files, grants last. */
export function pieces(): Piece[] {
  const journal = JSON.parse(read("migrations/meta/_journal.json")) as { entries: { tag: string }[] };
  return [
    ...BEFORE_TABLES.map((name) => sqlPiece(name)),
    ...journal.entries.map(({ tag }) => piece(`migrations/${tag}.sql`, "audit_owner")),
    ...[...AFTER_TABLES, ...GRANTS].map((name) => sqlPiece(name)),
  ];
}

function sqlPiece(name: string): Piece {
  if (name === "roles") return piece("sql/roles.sql", "admin");
  const file = `sql/${name}.sql`;
  return piece(file, read(file).startsWith("-- role: audit_keeper\n") ? "audit_keeper" : "audit_owner");
}

function piece(name: string, role: Piece["role"]): Piece {
  const text = read(name);
  return { name, role, text, checksum: createHash("sha256").update(text).digest("hex") };
}

function read(file: string): string {
  return fs.readFileSync(path.join(import.meta.dirname, file), "utf8");
}

async function readLedger(client: pg.Client): Promise<Map<string, string>> {
  const exists = await client.query("select to_regclass('audit.schema_versions') is not null as yes");
  if (!exists.rows[0].yes) return new Map();
  const { rows } = await client.query<{ name: string; checksum: string }>(
    "select name, checksum from audit.schema_versions",
  );
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
  try {
    // Owning a function here needs CREATE on the schema at that moment; the keeper has it only inside a migration.
    if (piece.role === "audit_keeper")
      await asRole(client, "audit_owner", "grant create on schema audit to audit_keeper");
    await asRole(client, piece.role, piece.text);
  } catch (error) {
    if (error instanceof Error) error.message = `${piece.name}${lineOf(piece.text, error)}: ${error.message}`;
    throw error;
  }
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
    [JSON.stringify(applied)],
  );
  await client.query("reset role");
}

async function asRole(client: pg.Client, role: Piece["role"], text: string): Promise<void> {
  if (role !== "admin") await client.query(`set local role ${role}`);
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
  await client.query("reset role");
}

async function setPasswords(client: pg.Client, passwords: Record<string, string>): Promise<void> {
  for (const role of ["audit_app", "audit_worker"]) {
    const password = passwords[role];
    if (password) await client.query(`alter role ${role} password ${client.escapeLiteral(password)}`);
  }
}

function lineOf(text: string, error: Error): string {
  const position = Number((error as { position?: string }).position);
  return position > 0 ? `:${text.slice(0, position).split("\n").length}` : "";
}
