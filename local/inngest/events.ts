import type { Session } from "./database.ts";
import { seededUlid, sha256, ulid } from "./ids.ts";
import { ENGINE_KEY, type EventPayload, type IncomingEvent } from "./types.ts";

const DEDUPE_HOURS = 24;

/** The internal ids of a request's events: the same each time the SDK sends that request. */
export function internalIds(count: number, seed: string | undefined): string[] {
  return Array.from({ length: count }, (_, index) => seededUlid(seed, index + 1) ?? ulid());
}

/**
 * Stores events that arrived from outside, each once: the same name and id within 24 hours, or the same
 * internal id, names the event that is already there. Returns the ids that hold, in order.
 */
export async function acceptEvents(
  session: Session,
  events: IncomingEvent[],
  proposedIds: string[],
): Promise<string[]> {
  const ids: string[] = [];
  for (const [index, event] of events.entries()) {
    const internalId = proposedIds[index] ?? ulid();
    const known = event.id
      ? await claimKey(session, "event", `${event.name}\n${event.id}`, internalId)
      : internalId;
    if (known === internalId) await insertEvent(session, internalId, normalized(event, internalId));
    else await routeAgain(session, known);
    ids.push(known);
  }
  return ids;
}

/**
 * A repeated event starts what it has not started yet, as on Inngest's server, where an id counts per
 * function: so one that came before its function was registered is not lost. No function starts twice.
 */
async function routeAgain(session: Session, internalId: string): Promise<void> {
  await session.rows(
    `update inngest.events
     set handled_at = null
     where internal_id = $1
     and handled_at is not null`,
    [internalId],
  );
}

/** Stores an event that the engine itself sends. Its handling happens with all others', in order. */
export async function emitEvent(
  session: Session,
  name: string,
  data: Record<string, unknown>,
  fields: { id?: string; v?: string | null; internalId?: string } = {},
): Promise<string> {
  const { internalId = ulid(), ...rest } = fields;
  await insertEvent(session, internalId, normalized({ name, data, ...rest }, internalId));
  return internalId;
}

/** An arrived event without what only the engine may say. */
export function withoutEngineData(event: IncomingEvent): IncomingEvent {
  const { [ENGINE_KEY]: _engine, ...data } = event.data ?? {};
  return { ...event, data };
}

function normalized(event: IncomingEvent, internalId: string): EventPayload {
  return {
    id: event.id ?? internalId,
    name: event.name,
    data: event.data ?? {},
    user: event.user ?? {},
    ts: event.ts || Date.now(),
    ...(event.v ? { v: event.v } : {}),
  };
}

async function insertEvent(session: Session, internalId: string, payload: EventPayload): Promise<void> {
  await session.rows(
    `insert into inngest.events (internal_id, name, payload)
     values ($1, $2, $3)
     on conflict do nothing`,
    [internalId, payload.name, JSON.stringify(payload)],
  );
}

/** Claims a key for 24 hours. Returns `target` if it was free, else the target that holds it. */
export async function claimKey(
  session: Session,
  scope: string,
  key: string,
  target: string,
): Promise<string> {
  const claimed = await session.rows(
    `insert into inngest.keys (scope, key, target, expires_at)
     values ($1, $2, $3, now() + make_interval(hours => $4))
     on conflict (scope, key) do update
     set target = excluded.target, expires_at = excluded.expires_at
     where keys.expires_at <= now()
     returning target`,
    [scope, sha256(key), target, DEDUPE_HOURS],
  );
  if (claimed.length > 0) return target;
  const [holder] = await session.rows<{ target: string }>(
    `select target
     from inngest.keys
     where scope = $1
     and key = $2`,
    [scope, sha256(key)],
  );
  return holder?.target ?? target;
}
