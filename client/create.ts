import { AuditClientError } from "./errors.ts";
import { createDatabase } from "./database.ts";
import { createDual } from "./dual.ts";
import { newId } from "./id.ts";
import { createMemory } from "./memory.ts";
import {
  settingsOf,
  type AuditClientOptions,
  type Counts,
  type DroppedWrite,
  type Settings,
} from "./options.ts";
import type { Store } from "./store.ts";
import { fromWire, pick, toWire } from "./trail.ts";
import type {
  AuditEvent,
  AuditEventPayload,
  AuditEventsOptions,
  AuditTrail,
  AuditTrailUpdate,
  NewAuditTrail,
  Placeholder,
} from "./types.ts";

const MS_PER_DAY = 86_400_000;
const DAYS_BACK = 30;
const EVENTS_LIMIT = 100;
const USER_AGENT_MAX = 1_000;

/**
 * Stores message trails and workspace events, in memory or at the service. What a write does while the service is away
 * is said by `mode`. A promise that nobody awaits never ends the process: `onDropped` gets what failed.
 */
export interface AuditClient {
  /** The same trail may be stored again: a placeholder never replaces a complete one. */
  createPlaceholderAuditTrail(placeholder: Placeholder): Promise<void>;
  /** Throws "projectId required for database storage" unless the trail or the call names it, memory apart. */
  storeAuditTrail(trail: NewAuditTrail, projectId?: string): Promise<void>;
  /** Null when there is none; `conflict` when several projects have this message id and `projectId` names none. */
  getAuditTrail(messageId: string, projectId?: string): Promise<AuditTrail | null>;
  /** Throws an AuditClientError `not_found` when there is none; buffered, it goes to onDropped. */
  updateAuditTrail(messageId: string, update: AuditTrailUpdate, projectId?: string): Promise<void>;
  /** Resolves with the event's id, which the client makes; it is stored once by it. */
  logAuditEvent(event: AuditEventPayload): Promise<string>;
  /** Newest first; a RangeError when `daysBack` leads to no time. */
  getAuditEvents(workspaceId: string, options?: AuditEventsOptions): Promise<AuditEvent[]>;
  /** What the memory holds, the oldest first: a line of JSON each is a file for `npx afterimage import trails`. */
  memoryTrails(): AuditTrail[];
  /** Sends what is buffered; resolves with how many writes are unsent after flushTimeoutMs. */
  flush(): Promise<number>;
  /** Flushes, gives what is unsent then to onDropped, and takes no more: on SIGTERM, once nothing is served any more. */
  close(): Promise<void>;
  /** `queued` waits or is on its way. */
  stats(): Counts & { queued: number };
}

/** Throws a TypeError for options that cannot work. */
export function createAuditClient(options: AuditClientOptions = {}): AuditClient {
  const counts: Counts = { stored: 0, dropped: 0, retries: 0, compared: 0, differences: 0 };
  const settings = guarded(settingsOf(options), counts);
  const { backend } = settings;
  const memory = createMemory(settings);
  const database = backend === "memory" ? undefined : createDatabase(settings, counts);
  const dual = database && backend === "dual" ? createDual(memory, database, settings, counts) : undefined;
  const store: Store = dual ?? database ?? memory;
  logOnce(settings);

  const write = async (kind: DroppedWrite["kind"], id: string, body: unknown, work: () => Promise<void>) => {
    try {
      await work();
      if (!database) counts.stored++;
    } catch (cause) {
      const error =
        cause instanceof AuditClientError
          ? cause
          : new AuditClientError("invalid", (cause as Error).message, { cause });
      // The queue reports what it was given itself.
      if (!database || error !== cause) settings.onDropped({ kind, id, body, error, mayBeStored: false });
      throw error;
    }
  };

  const storeAuditTrail = handled(
    async (trail: NewAuditTrail, projectId: string | undefined = trail.projectId) =>
      write("trail", trail.messageId, trail, async () => {
        if (database && !projectId) throw new Error("projectId required for database storage");
        await store.put(toWire({ ...trail, projectId }));
      }),
  );

  return {
    storeAuditTrail,
    createPlaceholderAuditTrail: handled(async ({ messageId, model, contextLayers, projectId }) =>
      storeAuditTrail({ messageId, model, contextLayers, timestamp: new Date() }, projectId),
    ),
    getAuditTrail: handled(async (messageId, projectId) => {
      const stored = await store.get(messageId, projectId);
      return stored && fromWire(stored);
    }),
    updateAuditTrail: handled(async (messageId, update, projectId) =>
      write("trail update", messageId, update, async () => store.patch(messageId, projectId, pick(update))),
    ),
    logAuditEvent: handled(async (event) => {
      // A time of the call would make a second event of one that is sent again under the caller's own id.
      const { eventId = newId(), occurredAt = event.eventId ? undefined : new Date() } = event;
      // Whoever asks chooses this header's length, and must not keep the event from being stored.
      const userAgent = event.userAgent?.slice(0, USER_AGENT_MAX);
      await write("event", eventId, event, () => store.log({ ...event, eventId, occurredAt, userAgent }));
      return eventId;
    }),
    getAuditEvents: handled(
      async (workspaceId, { daysBack = DAYS_BACK, limit = EVENTS_LIMIT, ...resource } = {}) => {
        const from = new Date(Date.now() - daysBack * MS_PER_DAY).toISOString();
        return store.events({ workspaceId, ...resource, from, limit });
      },
    ),
    memoryTrails: () => memory.all().map(fromWire),
    flush: async () => {
      const [unsent = 0] = await Promise.all([database?.queue.flush(), dual?.compared()]);
      return unsent;
    },
    close: async () => database?.queue.close(),
    stats: () => ({ ...counts, queued: database?.queue.size() ?? 0 }),
  };
}

/** An app that does not await the promise must not be ended by it. */
function handled<A extends unknown[], T>(call: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
  return (...args) => {
    const promise = call(...args);
    promise.catch(() => undefined);
    return promise;
  };
}

/** Callbacks counted, and with their own failures kept from who called the client. */
function guarded(settings: Settings, counts: Counts): Settings {
  const { onDropped, onDifference, waitUntil } = settings;
  return {
    ...settings,
    onDropped: handled(async (dropped) => {
      counts.dropped++;
      await onDropped(dropped);
    }),
    onDifference: handled(async (difference) => {
      counts.differences++;
      await onDifference(difference);
    }),
    waitUntil: waitUntil && handled(async (promise) => waitUntil(promise)),
  };
}

const logged = new Set<string>();

function logOnce({ backend, mode, log }: Settings): void {
  const line = `[Audit Trail] Using backend: ${backend}${backend === "memory" ? "" : ` (${mode})`}`;
  if (logged.has(line)) return;
  logged.add(line);
  log(line);
}
