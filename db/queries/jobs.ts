import { and, asc, desc, eq, isNull, lt, or, sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { jobRuns as r, jobSchedules as s } from "../schema/index.ts";
import { rows } from "./rows.ts";

export type ScheduleRow = typeof s.$inferSelect;
export type RunRow = typeof r.$inferSelect;

export async function listSchedules(db: Db): Promise<ScheduleRow[]> {
  return db.select().from(s).orderBy(asc(s.jobId));
}

export async function findSchedule(db: Db, jobId: string): Promise<ScheduleRow | null> {
  const [row] = await db.select().from(s).where(eq(s.jobId, jobId));
  return row ?? null;
}

/** Pauses or resumes; resuming starts the dead-man's switch anew. Null when it was so already. */
export async function setPaused(db: Db, jobId: string, byUserId: string | null): Promise<ScheduleRow | null> {
  const isPaused = byUserId !== null;
  const [row] = await db
    .update(s)
    .set(
      isPaused
        ? { pausedAt: sql`clock_timestamp()`, pausedByUserId: byUserId }
        : { pausedAt: null, pausedByUserId: null, watchedSince: sql`clock_timestamp()` },
    )
    .where(and(eq(s.jobId, jobId), isPaused ? isNull(s.pausedAt) : sql`${s.pausedAt} is not null`))
    .returning();
  return row ?? null;
}

export interface LateSchedule {
  jobId: string;
  lateSeconds: number;
  lastSuccessAt: string | null;
}

/** Schedules that are not paused and have had no success for longer than they may. */
export async function lateSchedules(db: Db): Promise<LateSchedule[]> {
  return rows<LateSchedule>(
    db,
    sql`
      select
        job_id as "jobId",
        round(extract(epoch from clock_timestamp() - greatest(last_success_at, watched_since)))::int as "lateSeconds",
        last_success_at as "lastSuccessAt"
      from audit.job_schedules
      where paused_at is null
        and greatest(last_success_at, watched_since) < clock_timestamp() - make_interval(secs => late_after_seconds)
      order by job_id`,
  );
}

export async function listRuns(db: Db, jobId: string, limit: number): Promise<RunRow[]> {
  return db.select().from(r).where(eq(r.jobId, jobId)).orderBy(desc(r.createdAt), desc(r.id)).limit(limit);
}

export async function findRun(db: Db, jobId: string, id: string): Promise<RunRow | null> {
  const [row] = await db
    .select()
    .from(r)
    .where(and(eq(r.id, id), eq(r.jobId, jobId)));
  return row ?? null;
}

export async function insertRequestedRun(db: Db, jobId: string, requestedByUserId: string): Promise<RunRow> {
  const [row] = await db
    .insert(r)
    .values({ jobId, trigger: "manual", status: "requested", requestedByUserId })
    .returning();
  return row as RunRow;
}

/** Starts a requested run for one engine run; null when another engine run has it. */
export async function startRequestedRun(db: Db, id: string, engineRunId: string): Promise<RunRow | null> {
  const [row] = await db
    .update(r)
    .set({ status: "running", engineRunId, startedAt: sql`coalesce(${r.startedAt}, clock_timestamp())` })
    .where(and(eq(r.id, id), or(eq(r.status, "requested"), eq(r.engineRunId, engineRunId))))
    .returning();
  return row ?? null;
}

/** Notes a run that the clock started, once per engine run. */
export async function startScheduledRun(db: Db, jobId: string, engineRunId: string): Promise<RunRow> {
  const [row] = await db
    .insert(r)
    .values({ jobId, trigger: "schedule", status: "running", engineRunId, startedAt: sql`clock_timestamp()` })
    .onConflictDoUpdate({ target: r.engineRunId, set: { engineRunId } })
    .returning();
  return row as RunRow;
}

/** Ends a run that has not ended; null when it had. */
export async function endRun(
  db: Db,
  match: { id: string } | { engineRunId: string },
  end: Pick<RunRow, "status"> & { result?: unknown; error?: string },
): Promise<RunRow | null> {
  const [row] = await db
    .update(r)
    .set({ ...end, finishedAt: sql`clock_timestamp()` })
    .where(
      and("id" in match ? eq(r.id, match.id) : eq(r.engineRunId, match.engineRunId), isNull(r.finishedAt)),
    )
    .returning();
  return row ?? null;
}

export async function noteSuccess(db: Db, jobId: string): Promise<void> {
  await db
    .update(s)
    .set({ lastSuccessAt: sql`clock_timestamp()` })
    .where(eq(s.jobId, jobId));
}

/** Runs that began more than `seconds` ago and have not ended. */
export async function stuckRuns(db: Db, seconds: number, limit: number): Promise<RunRow[]> {
  return db
    .select()
    .from(r)
    .where(
      and(
        eq(r.status, "running"),
        lt(r.startedAt, sql`clock_timestamp() - make_interval(secs => ${seconds})`),
      ),
    )
    .orderBy(asc(r.startedAt))
    .limit(limit);
}
