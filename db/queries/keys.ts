import { and, arrayContained, desc, eq, inArray, isNull, lt, or, sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { apiKeys } from "../schema/index.ts";
import { rows, sqlNow } from "./rows.ts";

export type KeyRow = typeof apiKeys.$inferSelect;
type NewKey = typeof apiKeys.$inferInsert;

/** The key with this hash, or null; notes its use at most once a minute. */
export async function findKeyBySecret(db: Db, hash: Uint8Array): Promise<KeyRow | null> {
  const [row] = await db
    .select()
    .from(apiKeys)
    .where(eq(apiKeys.secretHash, Buffer.from(hash)));
  if (!row) return null;
  if (row.revokedAt === null && (row.lastUsedAt === null || row.lastUsedAt.getTime() < Date.now() - 60_000)) {
    await db
      .update(apiKeys)
      .set({ lastUsedAt: sqlNow })
      .where(
        and(
          eq(apiKeys.id, row.id),
          or(
            isNull(apiKeys.lastUsedAt),
            lt(apiKeys.lastUsedAt, sql`clock_timestamp() - interval '1 minute'`),
          ),
        ),
      );
  }
  return row;
}

/** Which keys someone may see: those that reach no further than their own. */
interface KeyReach {
  workspaces: readonly string[] | null;
  projects: readonly string[] | null;
}

const within = (reach: KeyReach) =>
  and(
    reach.workspaces === null ? undefined : arrayContained(apiKeys.workspaces, [...reach.workspaces]),
    reach.projects === null ? undefined : arrayContained(apiKeys.projects, [...reach.projects]),
  );

/** The key, held against changes until the transaction ends; null when it reaches further than `reach`. */
export async function lockKey(db: Db, id: string, reach: KeyReach): Promise<KeyRow | null> {
  const [row] = await db
    .select()
    .from(apiKeys)
    .where(and(eq(apiKeys.id, id), within(reach)))
    .for("update");
  return row ?? null;
}

/** Whether somebody may have had a key's secret; `isAnyKeyFrom` says how. */
export const isKeyFrom = (db: Db, id: string, userId: string) => isAnyKeyFrom(db, [id], [userId]);

/**
 * Whether one of these people may have had the secret of one of these keys, or of a key which it is a rotation of: as who minted
 * it, or by a key that they had minted for who did, and so on.
 */
export async function isAnyKeyFrom(
  db: Db,
  ids: readonly string[],
  userIds: readonly string[],
): Promise<boolean> {
  const [row] = await rows<{ found: boolean }>(
    db,
    sql`
      with recursive people (user_id) as (
        select json_array_elements_text(${JSON.stringify(userIds)}::json)
        union
        select k.user_id from people p join audit.api_keys k on k.created_by_user_id = p.user_id
      ),
      chain (created_by_user_id, rotated_from) as (
        select k.created_by_user_id, k.rotated_from from audit.api_keys k
        where k.id in (select json_array_elements_text(${JSON.stringify(ids)}::json)::uuid)
        union
        select k.created_by_user_id, k.rotated_from from chain c join audit.api_keys k on k.id = c.rotated_from
      )
      select exists (select from chain c join people p on p.user_id = c.created_by_user_id) as found`,
  );
  return row?.found ?? true;
}

/** Every key that acts for one of these people, ended ones included. */
export async function keysOfUsers(db: Db, userIds: string[]): Promise<string[]> {
  const found = await db.select({ id: apiKeys.id }).from(apiKeys).where(inArray(apiKeys.userId, userIds));
  return found.map(({ id }) => id);
}

export async function insertKey(db: Db, key: NewKey): Promise<KeyRow> {
  const [row] = await db.insert(apiKeys).values(key).returning();
  return row as KeyRow;
}

/** Newest first, after the key `before` (ids are ordered by time). */
export async function listKeys(
  db: Db,
  filter: { reach: KeyReach; userId?: string; before?: string; limit: number },
): Promise<KeyRow[]> {
  return db
    .select()
    .from(apiKeys)
    .where(
      and(
        within(filter.reach),
        filter.before === undefined ? undefined : lt(apiKeys.id, filter.before),
        filter.userId === undefined ? undefined : eq(apiKeys.userId, filter.userId),
      ),
    )
    .orderBy(desc(apiKeys.id))
    .limit(filter.limit);
}

/** Ends a key at a time, now by default; an earlier end stays. Returns the row, or null when there is none. */
export async function endKey(
  db: Db,
  id: string,
  end: { revoke: true } | { expireAt: Date },
): Promise<KeyRow | null> {
  const change =
    "revoke" in end
      ? { revokedAt: sql`coalesce(${apiKeys.revokedAt}, clock_timestamp())` }
      : { expiresAt: sql`least(${apiKeys.expiresAt}, ${end.expireAt.toISOString()}::timestamptz)` };
  const [row] = await db.update(apiKeys).set(change).where(eq(apiKeys.id, id)).returning();
  return row ?? null;
}
