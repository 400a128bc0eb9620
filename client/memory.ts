import { AuditClientError } from "./errors.ts";
import { copy } from "./json.ts";
import { mergePatch, mergePut } from "./merge.ts";
import type { Settings } from "./options.ts";
import type { Store } from "./store.ts";
import type { StoredTrail } from "./trail.ts";
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

export interface MemoryStore extends Store {
  /** What is kept now: another object after each change, and not to be changed by others. Throws as the service does. */
  peek(messageId: string, projectId: string | undefined): StoredTrail | undefined;
  /** The oldest first. */
  all(): StoredTrail[];
}

/** Trails and events in this process; there are no timers. */
export function createMemory({ memoryMax }: Settings): MemoryStore {
  /** By message: one for each project, several only where they have the same message id. */
  const trails = new Map<string, StoredTrail[]>();
  const events = new Map<string, AuditEvent>();

  const peek: MemoryStore["peek"] = (messageId, projectId) => {
    const [found, another] = (trails.get(messageId) ?? []).filter(
      (one) => (projectId ?? one.projectId) === (one.projectId ?? projectId),
    );
    if (another) throw new AuditClientError("conflict", "Name the project.");
    return found;
  };

  const keep = (old: StoredTrail | undefined, trail: StoredTrail) => {
    const others = (trails.get(trail.messageId) ?? []).filter((one) => one !== old);
    keepIn(trails, trail.messageId, [...others, trail], memoryMax);
  };

  return {
    peek,
    all: () => copy([...trails.values()].flat()),
    put: async (trail) => {
      const { messageId, projectId } = trail;
      const old = peek(messageId, projectId);
      keep(old, mergePut(old, { ...trail, projectId: projectId ?? old?.projectId }));
    },
    patch: async (messageId, projectId, update) => {
      const old = peek(messageId, projectId);
      if (!old) throw new AuditClientError("not_found", "No such trail.");
      keep(old, mergePatch(old, update));
    },
    get: async (messageId, projectId) => copy(peek(messageId, projectId) ?? null),
    log: async (event) => {
      const key = JSON.stringify([event.workspaceId, event.eventId]);
      const stored = { ...NO_EVENT, id: event.eventId, createdAt: new Date().toISOString(), ...copy(event) };
      if (!events.get(key)) keepIn(events, key, stored as unknown as AuditEvent, memoryMax);
    },
    events: async ({ from, limit, ...criteria }) =>
      [...events.values()]
        .filter(
          (one) =>
            one.createdAt >= from &&
            Object.entries(copy(criteria)).every(([name, value]) => one[name as keyof AuditEvent] === value),
        )
        .toReversed()
        .slice(0, limit)
        .map(copy),
  };
}

/** Keeps a copy; the oldest goes first. */
function keepIn<T>(kept: Map<string, T>, key: string, value: T, max: number): void {
  kept.set(key, copy(value));
  for (const oldest of kept.keys()) {
    if (kept.size <= max) return;
    kept.delete(oldest);
  }
}
