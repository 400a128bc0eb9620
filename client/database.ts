import type { AuditClientError } from "./errors.ts";
import { createSend, type Request } from "./http.ts";
import { newId } from "./id.ts";
import { copy, toJson } from "./json.ts";
import { EVENTS, type Write } from "./lane.ts";
import type { Counts, Settings } from "./options.ts";
import { createQueue, type Queue } from "./queue.ts";
import { PAUSE_SHORT_MAX_MS, pauseMs } from "./retry.ts";
import type { Store } from "./store.ts";
import type { StoredTrail, WireTrail } from "./trail.ts";
import type { AuditEvent } from "./types.ts";

const PAGE_MAX = 1_000;
const pathOf = (messageId: string) => `/trails/${encodeURIComponent(messageId)}`;

export interface DatabaseStore extends Store {
  queue: Queue;
  /** Waits for this client's writes of the message, for timeoutMs at most; whether none is on its way then. */
  isSettled(messageId: string): Promise<boolean>;
}

/** The service, over HTTP. Writes go through the queue; a read sees what this client wrote before. */
export function createDatabase(settings: Settings, counts: Counts): DatabaseStore {
  const send = createSend(settings);
  const queue = createQueue(settings, counts, (batch) => send(toRequest(batch)));

  /** An event is stored once by its eventId, for ever; a trail's writes carry a key each. */
  const writeTrail = (kind: Write["kind"], method: string, id: string, trail: Partial<WireTrail>) => {
    const body = toJson({ messageId: id, ...trail });
    return queue.add({ kind, id, method, path: pathOf(id), body, idempotencyKey: newId() });
  };

  async function read(path: string, query: Record<string, string | number | undefined>): Promise<unknown> {
    const endsAt = performance.now() + settings.deadlineMs;
    const search = new URLSearchParams(copy(query) as Record<string, string>);
    for (let failures = 1; ; failures++) {
      try {
        return await send({ method: "GET", path: `${path}?${search}` }, endsAt - performance.now());
      } catch (error) {
        const failure = error as AuditClientError;
        const pause = pauseMs(failures, failure, PAUSE_SHORT_MAX_MS);
        if (!failure.isTransient || performance.now() + pause >= endsAt) throw failure;
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  }

  return {
    queue,
    isSettled: (messageId) => queue.isSettled(pathOf(messageId)),
    put: (trail) => writeTrail("trail", "PUT", trail.messageId, trail),
    patch: (messageId, projectId, update) =>
      writeTrail("trail update", "PATCH", messageId, { projectId, ...update }),
    get: async (messageId, projectId) => {
      await queue.isSettled(pathOf(messageId));
      try {
        return (await read(pathOf(messageId), { projectId })) as StoredTrail;
      } catch (error) {
        if ((error as AuditClientError).code === "not_found") return null;
        throw error;
      }
    },
    log: (event) =>
      queue.add({
        kind: "event",
        id: event.eventId,
        method: "POST",
        path: EVENTS,
        body: toJson(event),
      }),
    events: async ({ limit, ...criteria }) => {
      await queue.isSettled(EVENTS);
      const found: AuditEvent[] = [];
      for (let cursor: string | undefined; found.length < limit && cursor !== null;) {
        const count = Math.min(PAGE_MAX, limit - found.length);
        const page = await read("/audit/events", { ...criteria, limit: count, cursor });
        found.push(...(page as { items: AuditEvent[] }).items);
        cursor = (page as { nextCursor: string }).nextCursor;
      }
      return found;
    },
  };
}

function toRequest(batch: Write[]): Request {
  const [first] = batch as [Write];
  if (first.path !== EVENTS) return first;
  return { ...first, body: `{"events":[${batch.map((write) => write.body)}]}` };
}
