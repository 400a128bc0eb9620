import { and, asc, eq, sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { restoreSteps as s } from "../schema/index.ts";
import { rows, sqlNow } from "./rows.ts";

export type StepRow = typeof s.$inferSelect;

/** How often a number is looked for that another delivery of the same step has not taken. */
const TRIES_MAX = 10;

/** Notes that an attempt of a step begins; returns its number. */
export async function beginStep(db: Db, runId: string, step: string): Promise<number> {
  for (let n = 0; n < TRIES_MAX; n++) {
    const [row] = await rows<{ attempt: number }>(
      db,
      sql`
        insert into audit.restore_steps (run_id, step, attempt)
        select ${runId}::uuid, ${step}, coalesce(max(attempt), 0) + 1
        from audit.restore_steps where run_id = ${runId}::uuid and step = ${step}
        on conflict do nothing
        returning attempt`,
    );
    if (row) return row.attempt;
  }
  throw new Error("too many deliveries of one step at once");
}

export async function endStep(
  db: Db,
  key: { runId: string; step: string; attempt: number },
  end: { outcome: "done" | "failed"; detail: unknown },
): Promise<void> {
  await db
    .update(s)
    .set({ ...end, endedAt: sqlNow })
    .where(and(eq(s.runId, key.runId), eq(s.step, key.step), eq(s.attempt, key.attempt)));
}

export async function listSteps(db: Db, runId: string): Promise<StepRow[]> {
  return db.select().from(s).where(eq(s.runId, runId)).orderBy(asc(s.startedAt), asc(s.attempt)).limit(2_000);
}
