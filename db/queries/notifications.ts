import { asc, desc, eq, inArray, isNotNull, sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { alertChannels as c, alertNotifications as n, alerts as a } from "../schema/index.ts";
import type { AlertRow } from "./alerts.ts";
import { sqlNow } from "./rows.ts";

export type NotificationRow = typeof n.$inferSelect;
export type NotificationKind = NotificationRow["kind"];

/** One message per channel for a request; those in `refused` are given up at once, with this reason. */
export async function insertNotifications(
  db: Db,
  request: Pick<NotificationRow, "requestId" | "alertId" | "kind">,
  channels: readonly string[],
  refused: { channels: ReadonlySet<string>; reason: string },
): Promise<void> {
  if (channels.length === 0) return;
  await db
    .insert(n)
    .values(
      channels.map((channel) => ({
        ...request,
        channel,
        ...(refused.channels.has(channel) ? { lastError: refused.reason, givenUpAt: sqlNow } : {}),
      })),
    )
    .onConflictDoNothing();
}

export async function notificationsOfRequest(db: Db, requestId: string): Promise<NotificationRow[]> {
  return db.select().from(n).where(eq(n.requestId, requestId)).orderBy(asc(n.channel));
}

/** Newest first. */
export async function notificationsOfAlert(
  db: Db,
  alertId: string,
  limit: number,
): Promise<NotificationRow[]> {
  return db
    .select()
    .from(n)
    .where(eq(n.alertId, alertId))
    .orderBy(desc(n.createdAt), desc(n.id))
    .limit(limit);
}

/** The newest message of each of these alerts to each channel. */
export async function lastNotifications(db: Db, alertIds: string[]): Promise<NotificationRow[]> {
  if (alertIds.length === 0) return [];
  return db
    .selectDistinctOn([n.alertId, n.channel])
    .from(n)
    .where(inArray(n.alertId, alertIds))
    .orderBy(asc(n.alertId), asc(n.channel), desc(n.createdAt), desc(n.id));
}

/** A message with the alert that it is about. */
export async function findNotification(
  db: Db,
  id: string,
): Promise<{ notification: NotificationRow; alert: AlertRow } | null> {
  const [row] = await db
    .select({ notification: n, alert: a })
    .from(n)
    .innerJoin(a, eq(a.id, n.alertId))
    .where(eq(n.id, id));
  return row ?? null;
}

/** How an attempt to send a message ended. */
export async function noteAttempt(
  db: Db,
  id: string,
  end: { delivered: true } | { error: string; givenUp: boolean },
): Promise<void> {
  await db
    .update(n)
    .set({
      attempts: sql`${n.attempts} + 1`,
      lastAttemptAt: sqlNow,
      ...("delivered" in end
        ? { deliveredAt: sqlNow, lastError: null }
        : { lastError: end.error, ...(end.givenUp ? { givenUpAt: sqlNow } : {}) }),
    })
    .where(eq(n.id, id));
}

/** Ends a message that is not going to be sent. */
export async function giveUp(db: Db, id: string, reason: string): Promise<void> {
  await db.update(n).set({ lastError: reason, givenUpAt: sqlNow }).where(eq(n.id, id));
}

/** A message arrived: whatever was wrong with the channel is over. */
export async function noteChannelWorks(db: Db, channel: string): Promise<void> {
  const works = { lastDeliveredAt: sqlNow, failingSince: null, lastError: null, disabledAt: null };
  await db
    .insert(c)
    .values({ channel, ...works })
    .onConflictDoUpdate({ target: c.channel, set: works });
}

/** An attempt failed; with `disable` it was the last, and nothing more is sent there. */
export async function noteChannelFails(
  db: Db,
  channel: string,
  error: string,
  { disable }: { disable: boolean },
): Promise<void> {
  const fails = { lastError: error, ...(disable ? { disabledAt: sqlNow } : {}) };
  await db
    .insert(c)
    .values({ channel, failingSince: sqlNow, ...fails })
    .onConflictDoUpdate({
      target: c.channel,
      set: { ...fails, failingSince: sql`coalesce(${c.failingSince}, clock_timestamp())` },
    });
}

/** The channels to which nothing is sent. */
export async function disabledChannels(db: Db): Promise<Set<string>> {
  const found = await db.select({ channel: c.channel }).from(c).where(isNotNull(c.disabledAt));
  return new Set(found.map((one) => one.channel));
}
