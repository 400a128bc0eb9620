import { z } from "zod";
import { ingestEvents, type StoredEvent } from "../../db/queries/events-append.ts";
import { CHECK_VIOLATION } from "../../lib/sqlstate.ts";
import { requireScope, type Context } from "../context.ts";
import { invalidField, notFound, ServiceError } from "../errors.ts";
import { postgresError } from "../postgres-errors.ts";
import { idempotencyKeyReused, requestRunning, type IdempotentRequest } from "../requests/run-idempotent.ts";
import { newEvent, toRecord, type NewEvent } from "./event.ts";

export const EVENT_BYTES_MAX = 256 * 1024;
export const BATCH_BYTES_MAX = 4 * 1024 * 1024;
const BATCH_EVENTS_MAX = 1_000;

export const newEvents = z.strictObject({
  events: z.array(newEvent).min(1, "must hold at least one event").max(BATCH_EVENTS_MAX),
});

/** Where the events stood in the request, so that refusals can name them. */
type EventPlace = "body" | "body.events";

interface Appended {
  events: StoredEvent[];
  /** The answer of an earlier request with the same Idempotency-Key. */
  isReplay: boolean;
}

/**
 * Appends events in one statement, all or nothing, in the order given. An event whose `eventId` is stored already comes
 * back with `duplicate`. Throws `conflict` (409) when such an id holds another event, `not_found` for a workspace that
 * the key does not see, and the refusals of an Idempotency-Key.
 */
export async function appendEvents(
  ctx: Context,
  events: NewEvent[],
  idempotent: IdempotentRequest | null,
  place: EventPlace = "body.events",
): Promise<Appended> {
  requireScope(ctx, "events:write");
  requireWorkspaces(ctx, events, place);
  if (place === "body.events") checkSizes(events);
  const claim = idempotent && { keyId: ctx.principal.keyId, ...idempotent };
  const answer = await ingestEvents(ctx.db, events.map(toRecord), claim).catch((error: unknown) => {
    throw refusal(error, place) ?? error;
  });
  if (answer.state === "running") throw requestRunning();
  if (answer.state === "mismatch") throw idempotencyKeyReused();
  const stored = answer.results.map((one) => ({ ...one, createdAt: new Date(one.createdAt).toISOString() }));
  if (answer.state === "new") ctx.counts.events(stored.filter((one) => !one.duplicate).length);
  return { events: stored, isReplay: answer.state === "replay" };
}

function requireWorkspaces(ctx: Context, events: NewEvent[], place: EventPlace): void {
  const { workspaces } = ctx.principal;
  if (workspaces === null) return;
  const seen = new Set(workspaces);
  const foreign = events.flatMap((one, i) =>
    seen.has(one.workspaceId) ? [] : [pathOf(place, i, "workspaceId")],
  );
  if (foreign.length > 0) throw notFound("workspace", ...foreign);
}

const pathOf = (place: EventPlace, i: number, field: string) =>
  place === "body" ? `body.${field}` : `body.events[${i}].${field}`;

function checkSizes(events: NewEvent[]): void {
  const message = `An event may have ${EVENT_BYTES_MAX} bytes at most.`;
  const errors = events.flatMap((one, i) =>
    Buffer.byteLength(JSON.stringify(one)) > EVENT_BYTES_MAX
      ? [{ path: `body.events[${i}]`, code: "too_large", message }]
      : [],
  );
  if (errors.length > 0) {
    throw new ServiceError("payload_too_large", `${errors[0]?.path}: ${message}`, { errors });
  }
}

function refusal(error: unknown, place: EventPlace): ServiceError | null {
  const refused = postgresError(error);
  if (refused?.code === "AF409") return eventIdConflict(refused.detail ?? "[]", place);
  if (refused?.code !== CHECK_VIOLATION) return null;
  if (refused.constraint === "check_audit_workspace_membership") {
    return new ServiceError(
      "not_a_member",
      "createdByUserId is not a member of workspaceId; add the membership first, or log the event as a member.",
    );
  }
  if (refused.constraint === undefined) return null;
  const { constraint } = refused;
  return invalidField("body", constraint, `The database refused this by its check ${constraint}.`);
}

function eventIdConflict(detail: string, place: EventPlace): ServiceError {
  const results = JSON.parse(detail) as { conflict: boolean }[];
  const errors = results.flatMap(({ conflict }, i) =>
    conflict
      ? [{ path: pathOf(place, i, "eventId"), code: "reused", message: "This id holds another event." }]
      : [],
  );
  return new ServiceError("conflict", "An eventId was used for another event before; nothing was stored.", {
    errors,
  });
}
