import type { DatabaseStore } from "./database.ts";
import { differences } from "./differences.ts";
import type { MemoryStore } from "./memory.ts";
import type { Counts, Settings } from "./options.ts";
import type { EventsQuery, Store, WireEvent } from "./store.ts";
import type { StoredTrail, WireTrail } from "./trail.ts";
import type { AuditEvent } from "./types.ts";

const COMPARISONS_MAX = 8;

/**
 * Writes each trail to both stores. Reads answer from the memory, as before, and are compared with the database behind
 * the caller's back; what the memory does not have (any more) comes from the database. Events go to the database.
 */
export class DualStore implements Store {
  readonly #memory: MemoryStore;
  readonly #database: DatabaseStore;
  readonly #settings: Settings;
  readonly #counts: Counts;
  readonly #comparing = new Set<Promise<void>>();

  constructor(memory: MemoryStore, database: DatabaseStore, settings: Settings, counts: Counts) {
    this.#memory = memory;
    this.#database = database;
    this.#settings = settings;
    this.#counts = counts;
  }

  async put(trail: WireTrail): Promise<void> {
    await Promise.all([this.#memory.put(trail), this.#database.put(trail)]);
  }

  async patch(messageId: string, projectId: string | undefined, update: Partial<WireTrail>): Promise<void> {
    const isHere = this.#memory.peek(messageId) !== undefined;
    await Promise.all([
      isHere ? this.#memory.patch(messageId, projectId, update) : undefined,
      this.#database.patch(messageId, projectId, update),
    ]);
  }

  async get(messageId: string, projectId: string | undefined): Promise<StoredTrail | null> {
    const here = await this.#memory.get(messageId);
    if (!here) return this.#database.get(messageId, projectId);
    if (this.#comparing.size < COMPARISONS_MAX) {
      const comparing: Promise<void> = this.#compare(messageId, projectId ?? here.projectId)
        .catch(() => undefined)
        .finally(() => this.#comparing.delete(comparing));
      this.#comparing.add(comparing);
      this.#settings.waitUntil?.(comparing);
    }
    return here;
  }

  log(event: WireEvent): Promise<void> {
    return this.#database.log(event);
  }

  events(query: EventsQuery): Promise<AuditEvent[]> {
    return this.#database.events(query);
  }

  /** Resolves when the comparisons that run now are done. */
  async compared(): Promise<void> {
    await Promise.all(this.#comparing);
  }

  async #compare(messageId: string, projectId: string | undefined): Promise<void> {
    const before = this.#memory.peek(messageId);
    const stored = await this.#database.get(messageId, projectId);
    // Written or evicted meanwhile, the two are not of one moment.
    if (!before || this.#memory.peek(messageId) !== before || this.#database.isPending(messageId)) return;
    this.#counts.compared++;
    const found = stored ? differences(before, stored) : [{ field: "*", one: before, other: null }];
    for (const { field, one, other } of found) {
      this.#settings.onDifference({ messageId, field, memory: one, database: other });
    }
  }
}
