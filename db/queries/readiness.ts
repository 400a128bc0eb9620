import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows, secondsAgo } from "./rows.ts";

interface DatabaseState {
  role: string;
  isSuperuser: boolean;
  /** Whether this login could act as the owner of the audit tables. */
  isOwner: boolean;
  serverVersion: number;
}

export async function databaseState(db: Db): Promise<DatabaseState> {
  const [row] = await rows<DatabaseState>(
    db,
    sql`
      select
        current_user as "role",
        current_setting('is_superuser') = 'on' as "isSuperuser",
        pg_has_role('audit_owner', 'member') as "isOwner",
        current_setting('server_version_num')::int as "serverVersion"`,
  );
  return row as DatabaseState;
}

export async function appliedVersions(db: Db): Promise<{ name: string; checksum: string }[]> {
  return rows(db, sql`select name, checksum from audit.schema_versions order by name`);
}

/** Partitions (and the table itself) on which a guard is missing or switched off. */
export async function unguardedPartitions(db: Db): Promise<string[]> {
  const found = await rows<{ name: string }>(
    db,
    sql`
      select table_name::text as name
      from audit.partition_guards
      where not (rows_guarded and statements_guarded and chronology_checked)
      order by 1`,
  );
  return found.map((one) => one.name);
}

/** How many workflow requests wait to be picked up for more than `seconds`. */
export async function waitingCount(db: Db, seconds: number): Promise<number> {
  const [row] = await rows<{ count: number }>(
    db,
    sql`
      select count(*)::int as count
      from audit.workflow_requests
      where picked_up_at is null
        and created_at < ${secondsAgo(seconds)}`,
  );
  return row?.count ?? 0;
}

export async function openAlertCount(db: Db): Promise<number> {
  const [row] = await rows<{ count: number }>(
    db,
    sql`select count(*)::int as count from audit.alerts where resolved_at is null`,
  );
  return row?.count ?? 0;
}
