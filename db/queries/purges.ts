import { and, desc, eq, inArray, lt, sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { purges as p } from "../schema/index.ts";
import { rows, sqlNow } from "./rows.ts";

export type PurgeRow = typeof p.$inferSelect;
export type PurgeStatus = PurgeRow["status"];

export interface DueFile {
  id: string;
  month: string;
  objectKey: string;
  rowCount: number;
  bytes: number;
  complianceWorkspaces: string[];
}

/** Cold files in which every event is past its workspace's retention, oldest month first. */
export async function dueColdFiles(db: Db, limit: number): Promise<DueFile[]> {
  return rows<DueFile>(
    db,
    sql`
      select
        d.id, d.month::text as month, d.object_key as "objectKey", d.row_count::int as "rowCount", d.bytes::int as bytes,
        to_json(d.compliance_workspaces) as "complianceWorkspaces"
      from audit.due_cold_files() d
      limit ${limit}`,
  );
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

/** Stores a proposal, unless one waits already or is being carried out: two would name the same files. */
export async function insertPurge(
  db: Db,
  purge: Pick<PurgeRow, "files" | "summary" | "expiresAt" | "requestedByUserId">,
): Promise<PurgeRow | null> {
  const open = await db.$count(p, inArray(p.status, ["awaiting_approval", "approved"]));
  if (open > 0) return null;
  const [row] = await db
    .insert(p)
    .values({ ...purge, status: "awaiting_approval" })
    .returning();
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

export interface Decision {
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
    .where(
      and(
        eq(p.status, "approved"),
        lt(p.decidedAt, sql`clock_timestamp() - make_interval(secs => ${seconds})`),
      ),
    );
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
