import { DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE, QUERY_CANCELED } from "../lib/sqlstate.ts";
import { hasSqlstate } from "./postgres-errors.ts";

/** What passes: another's lock, a deadlock with them, a statement that took too long beside them. Nothing was changed. */
const BUSY = [LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED, QUERY_CANCELED];
const TRIES_MAX = 3;

export interface Refused {
  /** Why, in words. */
  refused: string;
}

/**
 * Stores items all at once or, where that is refused, by halves until those that are refused stand alone: they do not keep
 * the others away. `reasonOf` says why an error refuses an item; what is null to it is no fault of an item, and thrown. While
 * the database is busy, the same is tried up to three times.
 */
export async function storeByHalves<T, Outcome>(
  items: readonly T[],
  store: (items: readonly T[]) => Promise<Outcome[]>,
  reasonOf: (error: unknown) => string | null,
): Promise<(Outcome | Refused)[]> {
  try {
    return await patiently(() => store(items));
  } catch (error) {
    const refused = reasonOf(error);
    if (refused === null) throw error;
    if (items.length === 1) return [{ refused }];
    const half = Math.ceil(items.length / 2);
    return [
      ...(await storeByHalves(items.slice(0, half), store, reasonOf)),
      ...(await storeByHalves(items.slice(half), store, reasonOf)),
    ];
  }
}

async function patiently<T>(store: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await store();
    } catch (error) {
      if (tries === TRIES_MAX || !hasSqlstate(error, ...BUSY)) throw error;
    }
  }
}
