import type { DatabaseStore } from "./database.ts";
import { differences } from "./differences.ts";
import type { MemoryStore } from "./memory.ts";
import type { Counts, Settings } from "./options.ts";
import { atMost } from "./retry.ts";
import type { Store } from "./store.ts";

const COMPARISONS_MAX = 8;

export interface DualStore extends Store {
  /** Resolves when the comparisons that run now are done, after flushTimeoutMs at the latest. */
  compared(): Promise<unknown>;
}

/**
 * Writes each trail to both stores. Reads answer from the memory, as before, and are compared with the database behind
 * the caller's back; what the memory does not have (any more) comes from the database. Events go to the database.
 */
export function createDual(
  memory: MemoryStore,
  database: DatabaseStore,
  { flushTimeoutMs, onDifference, waitUntil }: Settings,
  counts: Counts,
): DualStore {
  const comparing = new Set<Promise<void>>();

  async function compare(messageId: string, projectId: string | undefined): Promise<void> {
    const before = memory.peek(messageId, projectId);
    // A write that is on its way now can be in the one and not in the other.
    if (!(await database.isSettled(messageId))) return;
    const stored = await database.get(messageId, projectId);
    // Written or evicted meanwhile, the two are not of one moment.
    if (!before || memory.peek(messageId, projectId) !== before) return;
    counts.compared++;
    const found = stored ? differences(before, stored) : [{ field: "*", one: before, other: null }];
    for (const { field, one, other } of found)
      onDifference({ messageId, field, memory: one, database: other });
  }

  return {
    ...database,
    // What the memory refuses, or does not have, the service answers for.
    put: (trail) => {
      memory.put(trail).catch(() => undefined);
      return database.put(trail);
    },
    patch: (...update) => {
      memory.patch(...update).catch(() => undefined);
      return database.patch(...update);
    },
    get: async (messageId, projectId) => {
      const here = await memory.get(messageId, projectId);
      if (!here) return database.get(messageId, projectId);
      if (comparing.size < COMPARISONS_MAX) {
        const comparison: Promise<void> = compare(messageId, here.projectId)
          .catch(() => undefined)
          .finally(() => comparing.delete(comparison));
        comparing.add(comparison);
        waitUntil?.(comparison);
      }
      return here;
    },
    compared: () => atMost(flushTimeoutMs, Promise.all(comparing)),
  };
}
