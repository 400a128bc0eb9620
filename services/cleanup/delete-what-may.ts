import { deleteKeys, type Deleting, type Key } from "../../db/queries/cleanup.ts";
import type { Db } from "../../db/client.ts";
import { FOREIGN_KEY_VIOLATION, RESTRICT_VIOLATION } from "../../lib/sqlstate.ts";
import { hasSqlstate } from "../postgres-errors.ts";

/** How often rows that no others reference are looked for: what references itself goes level by level, the last first. */
const LEVELS_MAX = 10;
/** Statements that may fail while what is left is tried in halves. */
const FAILURES_MAX = 32;

/**
 * Deletes locked rows and answers how many went. Where rows that stay reference some, those that none references go first, and
 * what is left is tried in halves, a bounded number of times: a foreign key may lead from a table that cannot be read here.
 */
export async function deleteWhatMay(tx: Db, deleting: Deleting, keys: Key[]): Promise<number> {
  const tryAll = (some: Key[], leaveReferenced: boolean) => tryDelete(tx, deleting, some, leaveReferenced);
  const all = await tryAll(keys, false);
  if (all !== null) return all.length;
  let left = keys;
  for (let level = 1; level <= LEVELS_MAX && left.length > 0; level++) {
    const gone = new Set((await tryAll(left, true))?.map((key) => JSON.stringify(key)));
    if (gone.size === 0) break;
    left = left.filter((key) => !gone.has(JSON.stringify(key)));
  }
  // Another order each time, so that the same rows do not keep the others for ever.
  const rest = left.toSorted(() => Math.random() - 0.5);
  return keys.length - left.length + (await inHalves((some) => tryAll(some, false), rest));
}

async function inHalves(attempt: (keys: Key[]) => Promise<Key[] | null>, keys: Key[]): Promise<number> {
  let deleted = 0;
  let failures = 0;
  const parts = [keys];
  for (let part = parts.pop(); part !== undefined && failures < FAILURES_MAX; part = parts.pop()) {
    const gone = part.length > 0 ? await attempt(part) : [];
    deleted += gone?.length ?? 0;
    if (gone !== null) continue;
    failures++;
    const half = Math.ceil(part.length / 2);
    if (part.length > 1) parts.push(part.slice(half), part.slice(0, half));
  }
  return deleted;
}

/** Answers the keys of the rows that went; null, and nothing has changed, when one is referenced. */
async function tryDelete(
  tx: Db,
  deleting: Deleting,
  keys: Key[],
  leaveReferenced: boolean,
): Promise<Key[] | null> {
  try {
    return await tx.transaction((inner) => deleteKeys(inner, deleting, keys, { leaveReferenced }));
  } catch (error) {
    if (hasSqlstate(error, FOREIGN_KEY_VIOLATION, RESTRICT_VIOLATION)) return null;
    throw error;
  }
}
