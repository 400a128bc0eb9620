import { and, asc, eq, sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { restoreSteps as s } from "../schema/index.ts";
import { rows } from "./rows.ts";

export type StepRow = typeof s.$inferSelect;

/** Notes that an attempt of a step begins; returns its number. */
export async function beginStep(db: Db, runId: string, step: string): Promise<number> {
  const [row] = await rows<{ attempt: number }>(
    db,
    sql`
      insert into audit.restore_steps (run_id, step, attempt)
      select ${runId}::uuid, ${step}, coalesce(max(attempt), 0) + 1
      from audit.restore_steps where run_id = ${runId}::uuid and step = ${step}
      returning attempt`,
  );
  return (row as { attempt: number }).attempt;
}

export async function endStep(
  db: Db,
  key: { runId: string; step: string; attempt: number },
  end: { outcome: "done" | "failed"; detail: unknown },
): Promise<void> {
  await db
    .update(s)
    .set({ ...end, endedAt: sql`clock_timestamp()` })
    .where(and(eq(s.runId, key.runId), eq(s.step, key.step), eq(s.attempt, key.attempt)));
}

export async function listSteps(db: Db, runId: string): Promise<StepRow[]> {
  return db.select().from(s).where(eq(s.runId, runId)).orderBy(asc(s.startedAt), asc(s.attempt)).limit(2_000);
}
