import { and, eq, isNull, sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { alerts as a } from "../schema/index.ts";

export type AlertRow = typeof a.$inferSelect;
export type NewAlert = Pick<AlertRow, "code" | "subject" | "severity" | "message"> & {
  details?: Record<string, unknown>;
};

/** Opens an alert, or counts up the one that is open for the same code and subject. */
export async function upsertAlert(db: Db, alert: NewAlert): Promise<AlertRow> {
  const [row] = await db
    .insert(a)
    .values({ ...alert, details: alert.details ?? {} })
    .onConflictDoUpdate({
      target: [a.code, a.subject],
      targetWhere: isNull(a.resolvedAt),
      set: {
        severity: alert.severity,
        message: alert.message,
        details: alert.details ?? {},
        lastRaisedAt: sql`clock_timestamp()`,
        raiseCount: sql`${a.raiseCount} + 1`,
      },
    })
    .returning();
  return row as AlertRow;
}

/** Closes the open alert of this code and subject, if there is one; says whether there was. */
export async function closeAlert(db: Db, code: string, subject: string): Promise<boolean> {
  const closed = await db
    .update(a)
    .set({ resolvedAt: sql`clock_timestamp()` })
    .where(and(eq(a.code, code), eq(a.subject, subject), isNull(a.resolvedAt)))
    .returning({ id: a.id });
  return closed.length > 0;
}
