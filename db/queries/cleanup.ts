import { and, eq, isNull, sql, type SQL } from "drizzle-orm";
import type { Db } from "../client.ts";
import { auditDeletionLog, retentionCleanups as c } from "../schema/index.ts";
import { rows } from "./rows.ts";

export type CleanupRow = typeof c.$inferSelect;
type SqlRule = Record<string, unknown>;
/** A row's key: the text of each of its columns. */
export type Key = (string | null)[];
/** A statement in parts: the keys stand after the first; the third may be left out. */
export type Deleting = [before: string, after: string, unreferenced: string, returning: string];

const json = (value: unknown): SQL => sql`${JSON.stringify(value)}::jsonb`;

/** What in a rule does not fit the database, in words that follow the table's name; empty when all does. */
export async function cleanupFaults(db: Db, rule: SqlRule): Promise<string[]> {
  const found = await rows<{ fault: string }>(db, sql`select fault from audit.cleanup_faults(${json(rule)})`);
  return found.map(({ fault }) => fault);
}

export interface CleanupTable {
  isTracked: boolean;
  children: { table: string; constraint: string; onDelete: string; isTracked: boolean }[];
}

/** Whether a rule's table is tracked, and what becomes of the rows that reference it. */
export async function cleanupTable(db: Db, table: string): Promise<CleanupTable> {
  const [row] = await rows<CleanupTable>(
    db,
    sql`
      select
        exists (select from audit.tracked_tables t where t.relation = r.id) as "isTracked",
        coalesce((
          select json_agg(json_build_object(
            'table', h.table_name, 'constraint', h.constraint_name, 'onDelete', h.on_delete, 'isTracked', h.is_tracked
          ))
          from audit.cleanup_children(r.id) h
        ), '[]') as children
      from (select audit.cleanup_relation(${table}) as id) r`,
  );
  return row as CleanupTable;
}

async function statementsOf(db: Db, rule: SqlRule, asOf: Date, after: Key | null, limit: number) {
  const [row] = await rows<{ counting: string; locking: string; deleting: Deleting }>(
    db,
    sql`
      select * from audit.cleanup_statements(
        ${json(rule)}, ${asOf.toISOString()}::timestamptz, ${after === null ? null : JSON.stringify(after)}::jsonb, ${limit}::int
      )`,
  );
  return row as { counting: string; locking: string; deleting: Deleting };
}

/** The time by which ages are counted: the database's, whatever the clock of this machine says. */
export async function databaseTime(db: Db): Promise<Date> {
  const [row] = await rows<{ now: string }>(db, sql`select clock_timestamp()::text as now`);
  return new Date((row as { now: string }).now);
}

/** How many rows are due, `max` at most, and the oldest time among them. */
export async function countDue(
  db: Db,
  rule: SqlRule,
  asOf: Date,
  max: number,
): Promise<{ count: number; oldest: string | null }> {
  const { counting } = await statementsOf(db, rule, asOf, null, max);
  const [row] = await rows<{ count: number; oldest: string | null }>(
    db,
    sql`select d.count, to_char(d.oldest at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as oldest from (${sql.raw(counting)}) d`,
  );
  return row as { count: number; oldest: string | null };
}

/** Locks the next due rows after a key, leaving out those that others hold; answers their keys in order. */
export async function lockDue(
  tx: Db,
  rule: SqlRule,
  asOf: Date,
  after: Key | null,
  limit: number,
): Promise<{ keys: Key[]; deleting: Deleting }> {
  const { locking, deleting } = await statementsOf(tx, rule, asOf, after, limit);
  const found = await rows<{ key: Key }>(tx, sql.raw(locking));
  return { keys: found.map(({ key }) => key), deleting };
}

/** No hold is placed or released until the transaction ends; 55P03 when one is just being. */
export async function lockHolds(tx: Db): Promise<void> {
  await tx.execute(sql`select audit.lock_holds()`);
}

/**
 * Deletes locked rows, but none that a hold keeps by now, nor, on demand, those that rows which stay reference; answers the keys
 * of those that went. `deleting` is what `lockDue` gave.
 */
export async function deleteKeys(
  tx: Db,
  [before, after, unreferenced, returning]: Deleting,
  keys: Key[],
  { leaveReferenced }: { leaveReferenced: boolean },
): Promise<Key[]> {
  const rest = `${after}${leaveReferenced ? unreferenced : ""}${returning}`;
  const gone = await rows<{ key: Key }>(tx, sql`${sql.raw(before)}${JSON.stringify(keys)}${sql.raw(rest)}`);
  return gone.map(({ key }) => key);
}

/** For the rest of a transaction: who deletes, how long it waits for a lock, and foreign keys checked by each statement. */
export async function beginDeleting(tx: Db, by: { userId: string; requestId: string; lockTimeout: string }) {
  await tx.execute(sql`
    select set_config('app.user_id', ${by.userId}, true), set_config('app.request_id', ${by.requestId}, true),
      set_config('lock_timeout', ${by.lockTimeout}, true)`);
  await tx.execute(sql`set constraints all immediate`);
}

export async function findCleanup(db: Db, runId: string, digest: string): Promise<CleanupRow | null> {
  const [row] = await db
    .select()
    .from(c)
    .where(and(eq(c.runId, runId), eq(c.ruleDigest, digest)));
  return row ?? null;
}

/** The same, and no other step works on it until the transaction ends. */
export async function lockCleanup(tx: Db, runId: string, digest: string): Promise<CleanupRow | null> {
  const [row] = await tx
    .select()
    .from(c)
    .where(and(eq(c.runId, runId), eq(c.ruleDigest, digest)))
    .for("update");
  return row ?? null;
}

export async function insertCleanup(tx: Db, row: typeof c.$inferInsert): Promise<CleanupRow> {
  const [inserted] = await tx.insert(c).values(row).returning();
  return inserted as CleanupRow;
}

export async function insertCleanupDeletion(
  tx: Db,
  deletion: typeof auditDeletionLog.$inferInsert,
): Promise<string> {
  const [row] = await tx.insert(auditDeletionLog).values(deletion).returning({ id: auditDeletionLog.id });
  return (row as { id: string }).id;
}

export async function noteBatch(
  tx: Db,
  id: string,
  batch: { batch: number; lastKey: Key; deleted: number; kept: number },
): Promise<void> {
  await tx
    .update(c)
    .set({
      batch: batch.batch,
      lastKey: batch.lastKey,
      deletedCount: sql`${c.deletedCount} + ${batch.deleted}`,
      keptCount: sql`${c.keptCount} + ${batch.kept}`,
    })
    .where(eq(c.id, id));
}

export async function noteProblem(db: Db, id: string, problem: string): Promise<void> {
  await db
    .update(c)
    .set({ problem })
    .where(and(eq(c.id, id), isNull(c.problem)));
}

export async function finishCleanup(db: Db, id: string, remaining: number | null): Promise<CleanupRow> {
  const [row] = await db
    .update(c)
    .set({ remainingCount: remaining, finishedAt: sql`coalesce(${c.finishedAt}, clock_timestamp())` })
    .where(eq(c.id, id))
    .returning();
  return row as CleanupRow;
}

/** What the rules of a run came to. */
export async function cleanupsOfRun(db: Db, runId: string): Promise<CleanupRow[]> {
  return db.select().from(c).where(eq(c.runId, runId)).orderBy(c.id);
}
