import { and, desc, eq, gt, isNotNull, isNull, lt, notInArray, or, sql, type SQL } from "drizzle-orm";
import type { Db } from "../client.ts";
import { alerts as a } from "../schema/index.ts";
import { secondsAgo, sqlNow } from "./rows.ts";

export type AlertRow = typeof a.$inferSelect;
export type NewAlert = Pick<AlertRow, "code" | "subject" | "severity" | "message"> & {
  details?: Record<string, unknown>;
};

/** Until the transaction ends nobody else raises or resolves alerts of this code and subject. */
export async function lockAlerts(db: Db, code: string, subject: string): Promise<void> {
  const name = JSON.stringify(["alert", code, subject]);
  await db.execute(sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`);
}

/** The alert that is open, or was resolved less than `quietSeconds` ago. */
export async function currentAlert(
  db: Db,
  { code, subject, quietSeconds }: { code: string; subject: string; quietSeconds: number },
): Promise<AlertRow | null> {
  const isCurrent = or(isNull(a.resolvedAt), gt(a.resolvedAt, secondsAgo(quietSeconds)));
  const [row] = await db
    .select()
    .from(a)
    .where(and(eq(a.code, code), eq(a.subject, subject), isCurrent))
    .orderBy(sql`${a.resolvedAt} desc nulls first`)
    .limit(1);
  return row ?? null;
}

/** Notes as told again the open, unacknowledged alerts that were last told more than `seconds` ago; returns their ids. */
export async function noteReminders(db: Db, seconds: number): Promise<string[]> {
  const noted = await db
    .update(a)
    .set({ notifiedAt: sqlNow })
    .where(and(isNull(a.resolvedAt), isNull(a.acknowledgedAt), lt(a.notifiedAt, secondsAgo(seconds))))
    .returning({ id: a.id });
  return noted.map((one) => one.id);
}

/** Stores an alert; `closed` from the start, or open. */
export async function insertAlert(
  db: Db,
  alert: NewAlert,
  { closed = false, notified }: { closed?: boolean; notified: boolean },
): Promise<AlertRow> {
  const [row] = await db
    .insert(a)
    .values({
      ...alert,
      details: alert.details ?? {},
      ...(notified ? { notifiedAt: sqlNow } : {}),
      ...(closed ? { resolvedAt: sqlNow } : {}),
    })
    .returning();
  return row as AlertRow;
}

/** Counts an alert up with what is known now, and opens it again if it was resolved. */
export async function raiseAgain(
  db: Db,
  id: string,
  alert: NewAlert,
  { notified }: { notified: boolean },
): Promise<AlertRow> {
  const [row] = await db
    .update(a)
    .set({
      severity: alert.severity,
      message: alert.message,
      details: alert.details ?? {},
      lastRaisedAt: sqlNow,
      raiseCount: sql`${a.raiseCount} + 1`,
      resolvedAt: null,
      ...(notified ? { notifiedAt: sqlNow } : {}),
    })
    .where(eq(a.id, id))
    .returning();
  return row as AlertRow;
}

/** Closes the open alert of this code and subject; null when there is none. */
export async function closeAlert(db: Db, code: string, subject: string): Promise<AlertRow | null> {
  const [row] = await db
    .update(a)
    .set({ resolvedAt: sqlNow })
    .where(and(eq(a.code, code), eq(a.subject, subject), isNull(a.resolvedAt)))
    .returning();
  return row ?? null;
}

/** Subjects of the open alerts of a code that were not raised for `seconds`, or whose subject is not among `known`. */
export async function pastSubjects(
  db: Db,
  code: string,
  past: { seconds: number } | { known: readonly string[] },
  limit: number,
): Promise<string[]> {
  const isPast =
    "seconds" in past
      ? lt(a.lastRaisedAt, secondsAgo(past.seconds))
      : past.known.length > 0
        ? notInArray(a.subject, [...past.known])
        : undefined;
  const found = await db
    .select({ subject: a.subject })
    .from(a)
    .where(and(eq(a.code, code), isNull(a.resolvedAt), isPast))
    .limit(limit);
  return found.map((one) => one.subject);
}

export async function findAlert(db: Db, id: string): Promise<AlertRow | null> {
  const [row] = await db.select().from(a).where(eq(a.id, id));
  return row ?? null;
}

export async function hasOpenAlert(db: Db, code: string, subject: string): Promise<boolean> {
  const found = await db
    .select({ id: a.id })
    .from(a)
    .where(and(eq(a.code, code), eq(a.subject, subject), isNull(a.resolvedAt)));
  return found.length > 0;
}

/** The alert, held against changes until the transaction ends. */
export async function lockAlert(db: Db, id: string): Promise<AlertRow | null> {
  const [row] = await db.select().from(a).where(eq(a.id, id)).for("update");
  return row ?? null;
}

export async function noteAcknowledged(db: Db, id: string, byUserId: string): Promise<AlertRow> {
  const [row] = await db
    .update(a)
    .set({ acknowledgedAt: sqlNow, acknowledgedByUserId: byUserId })
    .where(eq(a.id, id))
    .returning();
  return row as AlertRow;
}

type AlertStatus = "open" | "acknowledged" | "resolved";

const isOfStatus = {
  open: and(isNull(a.resolvedAt), isNull(a.acknowledgedAt)),
  acknowledged: and(isNull(a.resolvedAt), isNotNull(a.acknowledgedAt)),
  resolved: isNotNull(a.resolvedAt),
} satisfies Record<AlertStatus, SQL | undefined>;

/** Newest first, after the alert `before` (ids are ordered by time). */
export async function listAlerts(
  db: Db,
  filter: {
    status?: AlertStatus | undefined;
    code?: string | undefined;
    severity?: AlertRow["severity"] | undefined;
    before?: string | undefined;
    limit: number;
  },
): Promise<AlertRow[]> {
  return db
    .select()
    .from(a)
    .where(
      and(
        filter.status && isOfStatus[filter.status],
        filter.code === undefined ? undefined : eq(a.code, filter.code),
        filter.severity && eq(a.severity, filter.severity),
        filter.before === undefined ? undefined : lt(a.id, filter.before),
      ),
    )
    .orderBy(desc(a.id))
    .limit(filter.limit);
}
