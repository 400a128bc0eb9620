import { AuditClientError } from "./errors.ts";
import { DatabaseStore } from "./database.ts";
import { DualStore } from "./dual.ts";
import { newId } from "./id.ts";
import { MemoryStore } from "./memory.ts";
import {
  settingsOf,
  type AuditClientOptions,
  type Counts,
  type DroppedWrite,
  type Settings,
} from "./options.ts";
import type { Store, WireEvent } from "./store.ts";
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

const MS_PER_DAY = 24 * 60 * 60 * 1_000;
const DAYS_BACK = 30;
const EVENTS_LIMIT = 100;

/**
 * Stores message trails and workspace events, in memory or at the service. What a write does while the service is away
 * is said by `mode`. A promise that nobody awaits never ends the process: `onDropped` gets what failed.
 */
export interface AuditClient {
  /** The same trail may be stored again: a placeholder never replaces a complete one. */
  createPlaceholderAuditTrail(placeholder: Placeholder): Promise<void>;
  /** Throws "projectId required for database storage" unless the trail or the call names it, memory apart. */
  storeAuditTrail(trail: NewAuditTrail, projectId?: string): Promise<void>;
  /** Null when there is none; `projectId` is needed when several projects have this message id. */
  getAuditTrail(messageId: string, projectId?: string): Promise<AuditTrail | null>;
  /** Throws an AuditClientError `not_found` when there is none; buffered, it goes to onDropped. */
  updateAuditTrail(messageId: string, update: AuditTrailUpdate, projectId?: string): Promise<void>;
  /** Resolves with the event's id, which the client makes; it is stored once by it. */
  logAuditEvent(event: AuditEventPayload): Promise<string>;
  /** Newest first. */
  getAuditEvents(workspaceId: string, options?: AuditEventsOptions): Promise<AuditEvent[]>;
  /** What the memory holds, the oldest first: a line of JSON each is a file for `npx afterimage import trails`. */
  memoryTrails(): AuditTrail[];
  /** Sends what is buffered; resolves with how many writes are unsent after flushTimeoutMs. */
  flush(): Promise<number>;
  /** Flushes, gives what is unsent then to onDropped, and takes no more. Call it on SIGTERM. */
  close(): Promise<void>;
  /** `queued` waits or is on its way. */
  stats(): Counts & { queued: number };
}

/** Throws a TypeError for options that cannot work. */
export function createAuditClient(options: AuditClientOptions = {}): AuditClient {
  const counts: Counts = { stored: 0, dropped: 0, retries: 0, compared: 0, differences: 0 };
  const settings = guarded(settingsOf(options), counts);
  const memory = new MemoryStore(settings.memoryMax);
  const database = settings.backend === "memory" ? undefined : new DatabaseStore(settings, counts);
  const dual =
    database && settings.backend === "dual" ? new DualStore(memory, database, settings, counts) : undefined;
  const store: Store = dual ?? database ?? memory;
  logOnce(settings);

  const write = (kind: DroppedWrite["kind"], id: string, body: unknown, work: () => Promise<void>) =>
    quiet(
      // What fails before it is queued has not been reported.
      work().catch((error: unknown) => {
        if (!(error instanceof AuditClientError))
          settings.onDropped({ kind, id, body, error: invalid(error), mayBeStored: false });
        throw error;
      }),
    );

  const storeAuditTrail: AuditClient["storeAuditTrail"] = (trail, projectId = trail.projectId) =>
    write("trail", trail.messageId, trail, async () => {
      if (database && !projectId) throw new Error("projectId required for database storage");
      await store.put(toWire({ ...trail, projectId }));
    });

  return {
    storeAuditTrail,
    createPlaceholderAuditTrail: ({ messageId, model, contextLayers, projectId }) =>
      storeAuditTrail({ messageId, model, contextLayers, timestamp: new Date() }, projectId),
    getAuditTrail: (messageId, projectId) =>
      quiet(store.get(messageId, projectId).then((stored) => stored && fromWire(stored))),
    updateAuditTrail: (messageId, update, projectId) =>
      write("trail update", messageId, update, () => store.patch(messageId, projectId, pick(update))),
    logAuditEvent: (event) => {
      const wire = toWireEvent(event);
      return quiet(write("event", wire.eventId, event, () => store.log(wire)).then(() => wire.eventId));
    },
    getAuditEvents: (
      workspaceId,
      { resourceType, resourceId, daysBack = DAYS_BACK, limit = EVENTS_LIMIT } = {},
    ) => {
      const from = new Date(Date.now() - daysBack * MS_PER_DAY).toISOString();
      return quiet(store.events({ workspaceId, resourceType, resourceId, from, limit }));
    },
    memoryTrails: () => memory.all().map(fromWire),
    flush: async () => {
      const unsent = (await database?.queue.flush()) ?? 0;
      await dual?.compared();
      return unsent;
    },
    close: async () => {
      await database?.queue.close();
      await dual?.compared();
    },
    stats: () => ({ ...counts, queued: database?.queue.size ?? 0 }),
  };
}

/** A time of the call would make a second event of one that is sent again under the caller's own id. */
function toWireEvent(event: AuditEventPayload): WireEvent {
  const { eventId, occurredAt = eventId === undefined ? new Date() : undefined } = event;
  return { ...event, eventId: eventId ?? newId(), occurredAt };
}

/** Marked as handled: an app that does not await it must not be ended by it. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

const invalid = (cause: unknown) =>
  new AuditClientError("invalid", cause instanceof Error ? cause.message : String(cause), { cause });

/** Callbacks counted, and with their own failures kept from who called the client. */
function guarded(settings: Settings, counts: Counts): Settings {
  const call = <T>(callback: (value: T) => unknown, value: T) => {
    void (async () => callback(value))().catch(() => undefined);
  };
  const { onDropped, onDifference, waitUntil } = settings;
  return {
    ...settings,
    onDropped: (dropped) => {
      counts.dropped++;
      call(onDropped, dropped);
    },
    onDifference: (difference) => {
      counts.differences++;
      call(onDifference, difference);
    },
    waitUntil: waitUntil && ((promise) => call(waitUntil, promise)),
  };
}

let logged = "";

function logOnce({ backend, mode, log }: Settings): void {
  const line = `[Audit Trail] Using backend: ${backend}${backend === "memory" ? "" : ` (${mode})`}`;
  if (line === logged) return;
  logged = line;
  log(line);
}
