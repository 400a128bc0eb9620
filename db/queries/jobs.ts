import { and, asc, desc, eq, getTableColumns, isNull, lt, or, sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { jobRuns as r, jobSchedules as s } from "../schema/index.ts";
import { secondsAgo, sqlNow } from "./rows.ts";

type ScheduleRow = typeof s.$inferSelect;
export type RunRow = typeof r.$inferSelect;

export const isLate = sql<boolean>`(
  ${s.pausedAt} is null
  and greatest(${s.lastSuccessAt}, ${s.watchedSince})
    < clock_timestamp() - make_interval(secs => ${s.lateAfterSeconds})
)`;

const scheduleColumns = { ...getTableColumns(s), isLate };
export type Schedule = ScheduleRow & { isLate: boolean };

export async function listSchedules(db: Db): Promise<Schedule[]> {
  return db.select(scheduleColumns).from(s).orderBy(asc(s.jobId));
}

export async function findSchedule(db: Db, jobId: string): Promise<Schedule | null> {
  const [row] = await db.select(scheduleColumns).from(s).where(eq(s.jobId, jobId));
  return row ?? null;
}

/** The schedules that are not paused and have had no success for longer than they may. */
export async function lateSchedules(db: Db): Promise<Schedule[]> {
  return db.select(scheduleColumns).from(s).where(isLate).orderBy(asc(s.jobId));
}

/** The newest run of every job. */
export async function lastRuns(db: Db): Promise<RunRow[]> {
  return db.selectDistinctOn([r.jobId]).from(r).orderBy(asc(r.jobId), desc(r.createdAt), desc(r.id));
}

/** Pauses or resumes; resuming starts the dead-man's switch anew. Says whether that changed anything. */
export async function setPaused(db: Db, jobId: string, byUserId: string | null): Promise<boolean> {
  const isPaused = byUserId !== null;
  const changed = await db
    .update(s)
    .set(
      isPaused
        ? { pausedAt: sqlNow, pausedByUserId: byUserId }
        : { pausedAt: null, pausedByUserId: null, watchedSince: sqlNow },
    )
    .where(and(eq(s.jobId, jobId), isPaused ? isNull(s.pausedAt) : sql`${s.pausedAt} is not null`))
    .returning({ jobId: s.jobId });
  return changed.length > 0;
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

/** Starts a requested run for one engine run; null when it has ended, or another engine run has it. */
export async function startRequestedRun(
  db: Db,
  run: { id: string; jobId: string; engineRunId: string },
): Promise<RunRow | null> {
  const [row] = await db
    .update(r)
    .set({
      status: "running",
      engineRunId: run.engineRunId,
      startedAt: sql`coalesce(${r.startedAt}, clock_timestamp())`,
    })
    .where(
      and(
        eq(r.id, run.id),
        eq(r.jobId, run.jobId),
        isNull(r.finishedAt),
        or(eq(r.status, "requested"), eq(r.engineRunId, run.engineRunId)),
      ),
    )
    .returning();
  return row ?? null;
}

/** Notes a run that the clock started, once per engine run. */
export async function startScheduledRun(db: Db, jobId: string, engineRunId: string): Promise<RunRow> {
  const [row] = await db
    .insert(r)
    .values({ jobId, trigger: "schedule", status: "running", engineRunId, startedAt: sqlNow })
    .onConflictDoUpdate({ target: r.engineRunId, set: { engineRunId } })
    .returning();
  return row as RunRow;
}

/** Ends a run that has not ended; null when it had. With `notBegun` only one that no engine run has. */
export async function endRun(
  db: Db,
  match: { id: string; notBegun?: true } | { engineRunId: string },
  end: Pick<RunRow, "status"> & { result?: unknown; error?: string },
): Promise<RunRow | null> {
  const isIt =
    "id" in match
      ? and(eq(r.id, match.id), match.notBegun ? isNull(r.engineRunId) : undefined)
      : eq(r.engineRunId, match.engineRunId);
  const [row] = await db
    .update(r)
    .set({ ...end, finishedAt: sqlNow })
    .where(and(isIt, isNull(r.finishedAt)))
    .returning();
  return row ?? null;
}

export async function noteSuccess(db: Db, jobId: string): Promise<void> {
  await db.update(s).set({ lastSuccessAt: sqlNow }).where(eq(s.jobId, jobId));
}

/** Runs that began more than `seconds` ago and have not ended. */
export async function stuckRuns(db: Db, seconds: number, limit: number): Promise<RunRow[]> {
  return db
    .select()
    .from(r)
    .where(and(eq(r.status, "running"), lt(r.startedAt, secondsAgo(seconds))))
    .orderBy(asc(r.startedAt))
    .limit(limit);
}
