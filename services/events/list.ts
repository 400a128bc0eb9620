import { ANSWER_BYTES_MAX, pageOf } from "../answer-size.ts";
import { tellingFaults } from "../cold/faults.ts";
import type { Archive } from "../cold/open-file.ts";
import { requireScope, type Context } from "../context.ts";
import { decodeCursor, encodeCursor, TIME_SHAPE, UUID_SHAPE } from "../cursor.ts";
import { toEvent, type Event } from "./event.ts";
import { toFilter, type EventQuery } from "./filter.ts";
import { countEvents, findEvents } from "./find.ts";
import { recordRead } from "./record-read.ts";

interface EventPage {
  items: Event[];
  nextCursor: string | null;
  total?: number;
}

/** What reading events gets, besides: where the cold ones are. */
export interface ReadContext extends Context {
  archive: Archive | null;
}

/** Events newest first, wherever they lie, within what the key may see; the read itself is audited. */
export async function listEvents(ctx: ReadContext, input: EventQuery): Promise<EventPage> {
  requireScope(ctx, "events:read");
  const { limit, cursor, includeTotal, ...criteria } = input;
  const filter = toFilter(ctx, criteria);
  const list = { list: "events", ...criteria };
  const position = decodeCursor(cursor, list, [TIME_SHAPE, UUID_SHAPE]);
  const after = position && { createdAt: position[0] as string, id: position[1] as string };
  const bounds = { limit: limit + 1, bytes: ANSWER_BYTES_MAX };
  const found = await tellingFaults(ctx, () => findEvents(ctx, filter, bounds, after));
  const { shown, last } = pageOf(found, limit, (row) => JSON.stringify(toEvent(row)));
  // Counted before the read is recorded, which may match the filter itself.
  const total = includeTotal ? { total: await tellingFaults(ctx, () => countEvents(ctx, filter)) } : {};
  await recordRead(ctx, "events", criteria);
  return {
    items: shown.map(toEvent),
    nextCursor: last ? encodeCursor([last.position, last.id], list) : null,
    ...total,
  };
}
