import { AuditClientError } from "./errors.ts";
import { mergePatch, mergePut } from "./merge.ts";
import type { EventsQuery, Store, WireEvent } from "./store.ts";
import type { StoredTrail, WireTrail } from "./trail.ts";
import type { AuditEvent } from "./types.ts";

const NO_EVENT = {
  occurredAt: null,
  oldValues: null,
  newValues: null,
  changedFields: null,
  ipAddress: null,
  userAgent: null,
  requestId: null,
  tags: null,
  metadata: null,
};

/** Keeps at most `max` trails and as many events in this process; the oldest goes first, and there are no timers. */
export class MemoryStore implements Store {
  readonly #max: number;
  readonly #trails = new Map<string, StoredTrail>();
  readonly #events = new Map<string, AuditEvent>();

  constructor(max: number) {
    this.#max = max;
  }

  async put(trail: WireTrail): Promise<void> {
    const { messageId } = trail;
    keep(this.#trails, messageId, mergePut(this.#trails.get(messageId), copy(trail)), this.#max);
  }

  async patch(messageId: string, _: string | undefined, update: Partial<WireTrail>): Promise<void> {
    const old = this.#trails.get(messageId);
    if (!old) throw new AuditClientError("not_found", `There is no audit trail of the message ${messageId}.`);
    keep(this.#trails, messageId, mergePatch(old, copy(update)), this.#max);
  }

  /** What is kept now: another object after each change, and not to be changed by others. */
  peek(messageId: string): StoredTrail | undefined {
    return this.#trails.get(messageId);
  }

  async get(messageId: string): Promise<StoredTrail | null> {
    const trail = this.#trails.get(messageId);
    return trail ? copy(trail) : null;
  }

  /** The oldest first. */
  all(): StoredTrail[] {
    return copy([...this.#trails.values()]);
  }

  async log(event: WireEvent): Promise<void> {
    const key = JSON.stringify([event.workspaceId, event.eventId]);
    if (this.#events.has(key)) return;
    const stored = { ...NO_EVENT, id: event.eventId, createdAt: new Date().toISOString(), ...copy(event) };
    keep(this.#events, key, stored as unknown as AuditEvent, this.#max);
  }

  async events({ workspaceId, resourceType, resourceId, from, limit }: EventsQuery): Promise<AuditEvent[]> {
    return [...this.#events.values()]
      .filter(
        (one) =>
          one.workspaceId === workspaceId &&
          (resourceType === undefined || one.resourceType === resourceType) &&
          (resourceId === undefined || one.resourceId === resourceId) &&
          one.createdAt >= from,
      )
      .toReversed()
      .slice(0, limit)
      .map(copy);
  }
}

function keep<T>(map: Map<string, T>, key: string, value: T, max: number): void {
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= max) return;
    map.delete(oldest);
  }
}

/** As it would come back from the service: a later change of the caller's object changes nothing here. */
const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
