import { and, desc, eq, inArray, lt, sql, type SQL } from "drizzle-orm";
import type { Db } from "../client.ts";
import { purges as p } from "../schema/index.ts";
import { rows, secondsAgo, sqlNow } from "./rows.ts";

export type PurgeRow = typeof p.$inferSelect;
type PurgeStatus = PurgeRow["status"];
type NewPurge = Pick<PurgeRow, "files" | "summary" | "expiresAt" | "requestedByUserId">;

export interface DueFile {
  id: string;
  month: string;
  objectKey: string;
  rowCount: number;
  bytes: number;
  complianceWorkspaces: string[];
}

/** Cold files in which every event is past its workspace's retention and that no hold could concern, oldest month first. */
export const freeDueFiles = (db: Db, limit: number) =>
  dueFiles(db, sql`not exists (select from audit.holds_on_file(d.id)) order by d.month, d.id limit ${limit}`);

/**
 * Due files of which only reading them can tell whether a hold concerns them; in an order of chance, so that those that are held
 * do not stand before the others each time.
 */
export const unsureDueFiles = (db: Db, limit: number) =>
  dueFiles(
    db,
    sql`
      exists (select from audit.holds_on_file(d.id)) and not audit.is_whole_file_held(d.id)
      order by random()
      limit ${limit}`,
  );

const dueFiles = (db: Db, which: SQL) =>
  rows<DueFile>(
    db,
    sql`
      select
        d.id, d.month::text as month, d.object_key as "objectKey", d.row_count::int as "rowCount", d.bytes::int as bytes,
        to_json(d.compliance_workspaces) as "complianceWorkspaces"
      from audit.due_cold_files() d
      where ${which}`,
  );

/** Whether a hold keeps a file whatever is in it, because it names one of its workspaces and nothing else. */
export async function isWholeFileHeld(db: Db, fileId: string): Promise<boolean> {
  const [row] = await rows<{ held: boolean }>(
    db,
    sql`select audit.is_whole_file_held(${fileId}::uuid) as held`,
  );
  return row?.held ?? true;
}

/** Holds that could concern an event in a file: by its workspaces, or because they name none. */
export async function holdsOnFile(db: Db, fileId: string): Promise<string[]> {
  const found = await rows<{ id: string }>(
    db,
    sql`select h::text as id from audit.holds_on_file(${fileId}::uuid) h`,
  );
  return found.map(({ id }) => id);
}

/** What the predicate of every deletion asks of an event: its workspace, resource and actor. */
export type Subject = [workspaceId: string, resourceType: string, resourceId: string, userId: string];

/** Whether a hold keeps any of these from being deleted with an approval. */
export async function isAnyHeld(db: Db, subjects: Subject[]): Promise<boolean> {
  const [row] = await rows<{ held: boolean }>(
    db,
    sql`
      select exists (
        select
        from json_array_elements(${JSON.stringify(subjects)}::json) s
        cross join lateral audit.deletion_stops(s ->> 0, s ->> 1, s ->> 2, s ->> 3, false)
      ) as held`,
  );
  return row?.held ?? true;
}

/**
 * Stores a proposal, unless one waits already or is being carried out: two would name the same files. Holds other proposals up
 * until the transaction ends. Names the columns that the worker may fill.
 */
export async function insertPurge(
  db: Db,
  { files, summary, expiresAt, requestedByUserId }: NewPurge,
): Promise<{ id: string } | null> {
  await db.execute(sql`select pg_advisory_xact_lock(hashtextextended('audit.purges', 0))`);
  const [row] = await rows<{ id: string }>(
    db,
    sql`
      insert into audit.purges (files, summary, expires_at, requested_by_user_id)
      select
        array(select json_array_elements_text(${JSON.stringify(files)}::json)::uuid), ${JSON.stringify(summary)}::jsonb,
        ${expiresAt.toISOString()}::timestamptz, ${requestedByUserId}
      where not exists (select from audit.purges o where o.status in ('awaiting_approval', 'approved'))
      returning id`,
  );
  return row ?? null;
}

export async function findPurge(db: Db, id: string): Promise<PurgeRow | null> {
  const [row] = await db.select().from(p).where(eq(p.id, id));
  return row ?? null;
}

/** The proposal, held against other decisions until the transaction ends. */
export async function lockPurge(db: Db, id: string): Promise<PurgeRow | null> {
  const [row] = await db.select().from(p).where(eq(p.id, id)).for("update");
  return row ?? null;
}

/** Newest first, after the proposal `before` (ids are ordered by time). */
export async function listPurges(
  db: Db,
  filter: { status?: PurgeStatus | undefined; before?: string | undefined; limit: number },
): Promise<PurgeRow[]> {
  return db
    .select()
    .from(p)
    .where(
      and(
        filter.status === undefined ? undefined : eq(p.status, filter.status),
        filter.before === undefined ? undefined : lt(p.id, filter.before),
      ),
    )
    .orderBy(desc(p.id))
    .limit(filter.limit);
}

interface Decision {
  status: "approved" | "rejected";
  decidedByUserId: string;
  decidedByKeyId: string;
  decisionNote: string | null;
}

export async function notePurgeDecision(db: Db, id: string, decision: Decision): Promise<PurgeRow> {
  const [row] = await db
    .update(p)
    .set({ ...decision, decision: decision.status, decidedAt: sqlNow })
    .where(eq(p.id, id))
    .returning();
  return row as PurgeRow;
}

/** Ends a proposal that is in one of these states; null when it is in another. */
export async function endPurge(
  db: Db,
  id: string,
  from: PurgeStatus[],
  end: { status: PurgeStatus; report?: unknown },
): Promise<PurgeRow | null> {
  const [row] = await db
    .update(p)
    .set({ ...end, endedAt: sqlNow })
    .where(and(eq(p.id, id), inArray(p.status, from)))
    .returning();
  return row ?? null;
}

/** Proposals that nobody decided in time. */
export async function overduePurges(db: Db): Promise<PurgeRow[]> {
  return db
    .select()
    .from(p)
    .where(and(eq(p.status, "awaiting_approval"), lt(p.expiresAt, sqlNow)));
}

/** Purges that were approved so many seconds ago and have not ended. */
export async function unfinishedPurges(db: Db, seconds: number): Promise<PurgeRow[]> {
  return db
    .select()
    .from(p)
    .where(and(eq(p.status, "approved"), lt(p.decidedAt, secondsAgo(seconds))));
}

/** Who last set the retention that files go by: a person's id, or the login of who did it in SQL. */
export async function retentionSetters(db: Db, files: string[]): Promise<string[]> {
  const found = await rows<{ userId: string }>(
    db,
    sql`
      select distinct r.updated_by_user_id as "userId"
      from audit.cold_months f
      join audit.audit_retention_policies r on r.workspace_id = any (f.workspaces)
      where f.id in (select json_array_elements_text(${JSON.stringify(files)}::json)::uuid)
        and r.updated_by_user_id is not null`,
  );
  return found.map(({ userId }) => userId);
}

export type FilePurge = "purged" | "held" | "not due";

/** Marks a file as purged and writes the deletion log, if it is approved, due and not held by another hold than `cleared`. */
export async function beginFilePurge(
  db: Db,
  purgeId: string,
  fileId: string,
  cleared: string[],
): Promise<FilePurge> {
  const holds = sql`array(select json_array_elements_text(${JSON.stringify(cleared)}::json)::uuid)`;
  const [row] = await rows<{ end: FilePurge }>(
    db,
    sql`select audit.begin_file_purge(${purgeId}::uuid, ${fileId}::uuid, ${holds}) as "end"`,
  );
  return row?.end as FilePurge;
}

export async function noteFileRemoved(db: Db, fileId: string): Promise<void> {
  await db.execute(sql`select audit.note_file_removed(${fileId}::uuid)`);
}

/** Who asked for a job's run, if a person did. */
export async function runRequester(db: Db, runId: string): Promise<string | null> {
  const [row] = await rows<{ userId: string | null }>(
    db,
    sql`select requested_by_user_id as "userId" from audit.job_runs where id = ${runId}::uuid`,
  );
  return row?.userId ?? null;
}
