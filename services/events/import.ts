import type { Context } from "../context.ts";
import { ServiceError } from "../errors.ts";
import { storeByHalves, type Refused } from "../store-by-halves.ts";
import { appendEvents } from "./append.ts";
import { newEvent, type NewEvent } from "./event.ts";

/** What imported events are marked by. */
const IMPORTED_TAG = "imported";

/** An event of the past, which says when it was and by which id it is stored once. It is marked as imported. */
export const pastEvent = newEvent
  .required({ occurredAt: true, eventId: true })
  .transform((event) => ({ ...event, tags: [...new Set([...(event.tags ?? []), IMPORTED_TAG])] }));

/** present: an event with this id, and of the same content, was stored before. */
type ImportOutcome = "stored" | "present" | Refused;

/**
 * Appends events of the past, in their order: `createdAt` is now, and what months and retention go by; `occurredAt` is when
 * it was. Answers what became of each; one that is refused does not keep the others away.
 */
export const importEvents = (ctx: Context, events: readonly NewEvent[]): Promise<ImportOutcome[]> =>
  storeByHalves(
    events,
    async (some) => {
      const { events: stored } = await appendEvents(ctx, [...some], null);
      return stored.map(({ duplicate }) => (duplicate ? ("present" as const) : ("stored" as const)));
    },
    (error) => (error instanceof ServiceError ? (error.errors[0]?.message ?? error.message) : null),
  );
