import type { z } from "zod";
import { isStoredAs } from "../../db/queries/events-append.ts";
import type { Context } from "../context.ts";
import { ServiceError } from "../errors.ts";
import { storeByHalves, type Refused } from "../store-by-halves.ts";
import { appendEvents } from "./append.ts";
import { newEvent, toRecord, type NewEvent } from "./event.ts";

/** What imported events are marked by. */
const IMPORTED_TAG = "imported";

/** An event of the past, which says when it was and by which id it is stored once. */
export const pastEvent = newEvent.required({ occurredAt: true, eventId: true });
export type PastEvent = z.infer<typeof pastEvent>;

const marked = (event: PastEvent): NewEvent => ({
  ...event,
  tags: [...new Set([...(event.tags ?? []), IMPORTED_TAG])],
});

/** present: an event with this id, and of the same content, was stored before, by an import or not. */
type ImportOutcome = "stored" | "present" | Refused;

/**
 * Appends events of the past, in their order, marked as imported: `createdAt` is now, and what months and retention go by;
 * `occurredAt` is when it was. Answers what became of each; one that is refused does not keep the others away.
 */
export async function importEvents(ctx: Context, events: readonly PastEvent[]): Promise<ImportOutcome[]> {
  const outcomes = await storeByHalves<PastEvent, ImportOutcome>(
    events,
    async (some) => {
      const { events: stored } = await appendEvents(ctx, some.map(marked), null);
      return stored.map(({ duplicate }) => (duplicate ? "present" : "stored"));
    },
    (error) => (error instanceof ServiceError ? (error.errors[0]?.message ?? error.message) : null),
  );
  return Promise.all(
    outcomes.map(async (outcome, i) => {
      const event = events[i] as PastEvent;
      return typeof outcome === "object" && (await isStoredUnmarked(ctx, event)) ? "present" : outcome;
    }),
  );
}

/** Whether the application has stored the event itself: without the mark, and maybe without the time, which a line needs. */
const isStoredUnmarked = (ctx: Context, event: PastEvent): Promise<boolean> =>
  isStoredAs(ctx.db, event, [event, { ...event, occurredAt: undefined }].map(toRecord));
