import { and, asc, eq, isNull, lt, or, sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { workflowRequests as r } from "../schema/index.ts";
import { secondsAgo, sqlNow } from "./rows.ts";

export type WorkflowRequest = typeof r.$inferSelect;

export async function insertRequest(
  db: Db,
  request: { eventId: string; eventName: string; data: Record<string, unknown> },
): Promise<void> {
  await db.insert(r).values(request).onConflictDoNothing();
}

/** Requests that no workflow has picked up and that were last sent (or made) more than `seconds` ago, the longest unsent first. */
export async function waitingRequests(db: Db, seconds: number, limit: number): Promise<WorkflowRequest[]> {
  return db
    .select()
    .from(r)
    .where(and(isNull(r.pickedUpAt), isDue(seconds)))
    .orderBy(sql`${r.lastSentAt} asc nulls first`, asc(r.createdAt))
    .limit(limit);
}

/** The request, if it waits and is due to be sent. */
export async function findDueRequest(
  db: Db,
  eventId: string,
  seconds: number,
): Promise<WorkflowRequest | null> {
  const [row] = await db
    .select()
    .from(r)
    .where(and(eq(r.eventId, eventId), isNull(r.pickedUpAt), isDue(seconds)));
  return row ?? null;
}

export async function noteSent(db: Db, eventId: string): Promise<void> {
  await db
    .update(r)
    .set({ sendCount: sql`${r.sendCount} + 1`, lastSentAt: sqlNow })
    .where(eq(r.eventId, eventId));
}

export async function notePickedUp(db: Db, eventId: string): Promise<void> {
  await db
    .update(r)
    .set({ pickedUpAt: sql`coalesce(${r.pickedUpAt}, clock_timestamp())` })
    .where(eq(r.eventId, eventId));
}

const isDue = (seconds: number) =>
  and(lt(r.createdAt, secondsAgo(seconds)), or(isNull(r.lastSentAt), lt(r.lastSentAt, secondsAgo(seconds))));

export async function findRequest(db: Db, eventId: string): Promise<WorkflowRequest | null> {
  const [row] = await db.select().from(r).where(eq(r.eventId, eventId));
  return row ?? null;
}
