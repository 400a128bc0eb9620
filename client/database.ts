import { AuditClientError } from "./errors.ts";
import { createSend, type Request, type Send } from "./http.ts";
import { newId } from "./id.ts";
import type { Counts, Settings } from "./options.ts";
import type { Write } from "./entry.ts";
import { Queue } from "./queue.ts";
import { pauseMs, sleep } from "./retry.ts";
import type { EventsQuery, Store, WireEvent } from "./store.ts";
import type { StoredTrail, WireTrail } from "./trail.ts";
import type { AuditEvent } from "./types.ts";

const EVENTS = "events";
const PAGE_MAX = 1_000;
const trailLane = (messageId: string) => `trail ${messageId}`;

/** The service, over HTTP. Writes go through the queue; a read sees what this client wrote before. */
export class DatabaseStore implements Store {
  readonly queue: Queue;
  readonly #send: Send;
  readonly #settings: Settings;

  constructor(settings: Settings, counts: Counts) {
    this.#settings = settings;
    this.#send = createSend(settings);
    this.queue = new Queue(settings, counts, (batch) => this.#send(toRequest(batch)));
  }

  async put(trail: WireTrail): Promise<void> {
    await this.#writeTrail("trail", trail.messageId, trail);
  }

  async patch(messageId: string, projectId: string | undefined, update: Partial<WireTrail>): Promise<void> {
    await this.#writeTrail("trail update", messageId, { projectId, ...update });
  }

  async get(messageId: string, projectId: string | undefined): Promise<StoredTrail | null> {
    await this.queue.settled(trailLane(messageId));
    const query = projectId === undefined ? "" : `?${new URLSearchParams({ projectId })}`;
    try {
      return (await this.#read(`/trails/${encodeURIComponent(messageId)}${query}`)) as StoredTrail;
    } catch (error) {
      if ((error as AuditClientError).code === "not_found") return null;
      throw error;
    }
  }

  /** Whether writes of the message are still on their way. */
  isPending(messageId: string): boolean {
    return this.queue.has(trailLane(messageId));
  }

  async log(event: WireEvent): Promise<void> {
    const body = JSON.stringify(event);
    await this.queue.add({ kind: "event", id: event.eventId, lane: EVENTS, isBatched: true, body });
  }

  async events({ limit, ...criteria }: EventsQuery): Promise<AuditEvent[]> {
    await this.queue.settled(EVENTS);
    const query = new URLSearchParams(
      Object.entries(criteria).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    const found: AuditEvent[] = [];
    while (found.length < limit) {
      query.set("limit", String(Math.min(PAGE_MAX, limit - found.length)));
      const page = (await this.#read(`/audit/events?${query}`)) as {
        items: AuditEvent[];
        nextCursor: string | null;
      };
      found.push(...page.items);
      if (page.nextCursor === null) break;
      query.set("cursor", page.nextCursor);
    }
    return found;
  }

  async #writeTrail(kind: Write["kind"], id: string, trail: Partial<WireTrail>): Promise<void> {
    const body = JSON.stringify({ messageId: id, ...trail });
    await this.queue.add({ kind, id, lane: trailLane(id), isBatched: false, body, idempotencyKey: newId() });
  }

  async #read(path: string): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#send({ method: "GET", path });
      } catch (error) {
        const failure = error as AuditClientError;
        if (!failure.isTransient || attempt >= this.#settings.attempts) throw failure;
        await sleep(pauseMs(attempt, failure, true));
      }
    }
  }
}

/** Events are stored once by their eventId, for ever; trails carry a key for each write. */
function toRequest(batch: Write[]): Request {
  const [{ kind, id, body, idempotencyKey }] = batch as [Write];
  if (kind !== "event") {
    const path = `/trails/${encodeURIComponent(id)}`;
    return { method: kind === "trail" ? "PUT" : "PATCH", path, body, idempotencyKey };
  }
  if (batch.length === 1) return { method: "POST", path: "/audit/log", body };
  const events = batch.map((write) => write.body).join(",");
  return { method: "POST", path: "/audit/log/batch", body: `{"events":[${events}]}` };
}
