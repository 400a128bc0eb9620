import { and, desc, eq, inArray, isNotNull, isNull, lt } from "drizzle-orm";
import type { Db } from "../client.ts";
import { legalHolds as h } from "../schema/index.ts";
import { sqlNow } from "./rows.ts";

export type HoldRow = typeof h.$inferSelect;

interface HoldFilter {
  /** Null: any, and those that name no workspace. */
  workspaceIds: readonly string[] | null;
  status?: "active" | "released" | undefined;
}

const matches = ({ workspaceIds, status }: HoldFilter) =>
  and(
    workspaceIds === null ? undefined : inArray(h.workspaceId, [...workspaceIds]),
    status === undefined ? undefined : status === "active" ? isNull(h.releasedAt) : isNotNull(h.releasedAt),
  );

export async function insertHold(db: Db, hold: typeof h.$inferInsert): Promise<HoldRow> {
  const [row] = await db.insert(h).values(hold).returning();
  return row as HoldRow;
}

/** Holds, the newest first. */
export async function listHolds(
  db: Db,
  filter: HoldFilter,
  page: { before: string | undefined; limit: number },
): Promise<HoldRow[]> {
  return db
    .select()
    .from(h)
    .where(and(matches(filter), page.before === undefined ? undefined : lt(h.id, page.before)))
    .orderBy(desc(h.id))
    .limit(page.limit);
}

export async function findHold(db: Db, id: string, filter: HoldFilter): Promise<HoldRow | null> {
  const [row] = await db
    .select()
    .from(h)
    .where(and(eq(h.id, id), matches(filter)));
  return row ?? null;
}

/** Releases a hold; null when it was released before. */
export async function releaseHold(
  db: Db,
  id: string,
  release: { releasedByUserId: string; releaseReason: string | null },
): Promise<HoldRow | null> {
  const [row] = await db
    .update(h)
    .set({ ...release, releasedAt: sqlNow })
    .where(and(eq(h.id, id), isNull(h.releasedAt)))
    .returning();
  return row ?? null;
}
