import type { Context } from "../context.ts";
import { ServiceError } from "../errors.ts";
import { appendEvents } from "./append.ts";
import { newEvent, type NewEvent } from "./event.ts";

/** What imported events are marked by. */
const IMPORTED_TAG = "imported";

/** An event of the past, which says when it was and by which id it is stored once. It is marked as imported. */
export const pastEvent = newEvent
  .required({ occurredAt: true, eventId: true })
  .transform((event) => ({ ...event, tags: [...new Set([...(event.tags ?? []), IMPORTED_TAG])] }));

/** present: an event with this id, and of the same content, was stored before. */
export type ImportOutcome = "stored" | "present" | { refused: string };

/**
 * Appends events of the past, in their order: `createdAt` is now, and what retention goes by; `occurredAt` is when it was.
 * Answers what became of each; one that is refused does not keep the others away.
 */
export async function importEvents(ctx: Context, events: NewEvent[]): Promise<ImportOutcome[]> {
  if (events.length === 0) return [];
  try {
    const { events: stored } = await appendEvents(ctx, events, null);
    return stored.map(({ duplicate }) => (duplicate ? "present" : "stored"));
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    if (events.length === 1) return [{ refused: error.errors[0]?.message ?? error.message }];
    const half = Math.ceil(events.length / 2);
    return [
      ...(await importEvents(ctx, events.slice(0, half))),
      ...(await importEvents(ctx, events.slice(half))),
    ];
  }
}
