import { and, desc, eq, inArray, lt, sql, type SQL } from "drizzle-orm";
import type { Db } from "../client.ts";
import { restoreRuns as r } from "../schema/index.ts";
import { rows, secondsAgo, sqlNow } from "./rows.ts";

export type RunRow = typeof r.$inferSelect;
type RunStatus = RunRow["status"];

export async function insertRun(db: Db, run: typeof r.$inferInsert): Promise<RunRow> {
  const [row] = await db.insert(r).values(run).returning();
  return row as RunRow;
}

export async function findRun(db: Db, id: string): Promise<RunRow | null> {
  const [row] = await db.select().from(r).where(eq(r.id, id));
  return row ?? null;
}

/** The run, locked until the transaction ends. */
export async function lockRun(db: Db, id: string): Promise<RunRow | null> {
  const [row] = await db.select().from(r).where(eq(r.id, id)).for("update");
  return row ?? null;
}

/** Changes a run if it is in one of these states; null when it is not. */
export async function updateRun(
  db: Db,
  id: string,
  from: readonly RunStatus[],
  change: { [K in keyof RunRow]?: RunRow[K] | SQL },
): Promise<RunRow | null> {
  const [row] = await db
    .update(r)
    .set(change)
    .where(and(eq(r.id, id), inArray(r.status, [...from])))
    .returning();
  return row ?? null;
}

/** Notes that somebody works on a run, if it is this epoch's to work on. */
export async function beatRun(db: Db, id: string, epoch: number): Promise<RunRow | null> {
  const [row] = await db
    .update(r)
    .set({ heartbeatAt: sqlNow })
    .where(and(eq(r.id, id), eq(r.epoch, epoch), inArray(r.status, ["running", "awaiting_approval"])))
    .returning();
  return row ?? null;
}

/** Runs, the newest first; previews only when asked for. */
export async function listRuns(
  db: Db,
  page: { status?: RunStatus | undefined; before?: string; limit: number },
): Promise<RunRow[]> {
  return db
    .select()
    .from(r)
    .where(
      and(
        page.status === undefined ? sql`${r.status} <> 'planned'` : eq(r.status, page.status),
        page.before === undefined ? undefined : lt(r.id, page.before),
      ),
    )
    .orderBy(desc(r.id))
    .limit(page.limit);
}

/** One at a time: what the caller checks next stays true until its transaction ends. */
export async function lockStarts(db: Db): Promise<void> {
  await db.execute(sql`select pg_advisory_xact_lock(hashtextextended('audit.restore_runs', 0))`);
}

/** Another run under way that concerns some of the same rows. */
export async function overlappingRun(db: Db, id: string): Promise<string | null> {
  const [row] = await rows<{ id: string | null }>(
    db,
    sql`select audit.overlapping_restore(${id}::uuid) as id`,
  );
  return row?.id ?? null;
}

/** The rollback of a run that is under way or done. */
export async function rollbackOf(db: Db, id: string): Promise<RunRow | null> {
  const [row] = await db
    .select()
    .from(r)
    .where(
      and(
        eq(r.rollbackOf, id),
        inArray(r.status, ["awaiting_approval", "running", "completed", "needs_attention", "rolling_back"]),
      ),
    )
    .orderBy(desc(r.id))
    .limit(1);
  return row ?? null;
}

/** Runs under way without a heartbeat for longer than `seconds`. */
export async function silentRuns(db: Db, seconds: number, limit: number): Promise<RunRow[]> {
  return db
    .select()
    .from(r)
    .where(
      and(eq(r.status, "running"), sql`coalesce(${r.heartbeatAt}, ${r.startedAt}) < ${secondsAgo(seconds)}`),
    )
    .limit(limit);
}

/** Removes plans that nobody started and whose time is over, with their items; returns how many. */
export async function sweepPlans(db: Db, limit: number): Promise<number> {
  const [row] = await rows<{ count: number }>(
    db,
    sql`
      with due as (
        select id from audit.restore_runs where status = 'planned' and expires_at < clock_timestamp() limit ${limit}
        for update skip locked
      ),
      items as (delete from audit.restore_items i using due where i.run_id = due.id),
      gone as (delete from audit.restore_runs p using due where p.id = due.id returning 1)
      select count(*)::int as count from gone`,
  );
  return row?.count ?? 0;
}

/** Removes a plan that was not started, with its items. */
export async function discardPlan(db: Db, id: string): Promise<void> {
  await db.execute(sql`
    with gone as (delete from audit.restore_runs where id = ${id}::uuid and status = 'planned' returning id)
    delete from audit.restore_items i using gone where i.run_id = gone.id`);
}

/** Runs whose time to be approved is over. */
export async function overdueRuns(db: Db, limit: number): Promise<RunRow[]> {
  return db
    .select()
    .from(r)
    .where(and(eq(r.status, "awaiting_approval"), sql`${r.approvalExpiresAt} <= clock_timestamp()`))
    .limit(limit);
}

/** Copies the rows that a run will change into its snapshot; returns how many it holds. */
export async function keepSnapshot(db: Db, id: string): Promise<number> {
  const [row] = await rows<{ count: number }>(db, sql`select audit.snapshot_restore(${id}::uuid) as count`);
  return row?.count ?? 0;
}

/** Counts up how often a run's side effects were asked for; returns the new number. */
export async function countEffectsUp(db: Db, id: string): Promise<number> {
  const [row] = await db
    .update(r)
    .set({ effectsRepeat: sql`${r.effectsRepeat} + 1` })
    .where(eq(r.id, id))
    .returning({ repeat: r.effectsRepeat });
  return (row as { repeat: number }).repeat;
}

/** Whether a rollback of a run has taken rows back, all or some. */
export async function wasPartlyRolledBack(db: Db, id: string): Promise<boolean> {
  const [row] = await rows<{ found: boolean }>(
    db,
    sql`
      select exists (
        select from audit.restore_runs b join audit.restore_chunks c on c.run_id = b.id
        where b.rollback_of = ${id}::uuid and c.applied_count > 0
      ) as found`,
  );
  return row?.found ?? true;
}
