import { z } from "zod";
import { currentSnapshot, type EventPosition } from "../../db/queries/events.ts";
import { tellingFaults } from "../cold/faults.ts";
import { searchingAhead } from "../cold/search-ahead.ts";
import { requireScope } from "../context.ts";
import { toEvent, type Event } from "./event.ts";
import { eventCriteria, toFilter } from "./filter.ts";
import { findEvents } from "./find.ts";
import type { ReadContext } from "./list.ts";
import { toCsv } from "../../lib/csv.ts";
import { safeError } from "../../lib/logger.ts";
import { logServiceEvent } from "./log-service-event.ts";
import { workspaceOf } from "./record-read.ts";

const CHUNK_ROWS_MIN = 16;
const CHUNK_ROWS_MAX = 500;
const CHUNK_BYTES = 4_000_000;

export const eventExport = eventCriteria.extend({ format: z.enum(["csv", "ndjson"]) });
type EventExport = z.infer<typeof eventExport>;

const CSV_COLUMNS = [
  "id",
  "createdAt",
  "occurredAt",
  "eventId",
  "workspaceId",
  "createdByUserId",
  "actionType",
  "resourceType",
  "resourceId",
  "changedFields",
  "oldValues",
  "newValues",
  "ipAddress",
  "userAgent",
  "requestId",
  "tags",
  "metadata",
  "deletedAt",
  "deletedByUserId",
  "deletionReason",
  "archivedAt",
] as const satisfies (keyof Event)[];

/**
 * Streams matching events, newest first, as CSV (UTF-8, header line, RFC 4180) or one JSON object a line. It holds what
 * was committed when it began and nothing later, and never more in memory than 500 rows or some 4 MB, of cold
 * files 4,000 or some 16 MB. The export is audited first.
 */
export async function exportEvents(
  ctx: ReadContext,
  input: EventExport,
): Promise<ReadableStream<Uint8Array>> {
  requireScope(ctx, "events:export");
  const { format, ...criteria } = input;
  const filter = { ...toFilter(ctx, criteria), snapshot: await currentSnapshot(ctx.db) };
  await logServiceEvent(ctx, "EXPORT_AUDIT_LOG", "audit_log", "events", {
    workspaceId: workspaceOf(ctx, criteria),
    metadata: { filter: criteria, format },
  });
  const { log, requestId } = ctx;
  const toText = format === "csv" ? eventsToCsv : toNdjson;
  const encoder = new TextEncoder();
  const search = searchingAhead();
  let position: EventPosition | null = null;
  let isFirst = true;
  let limit = CHUNK_ROWS_MAX;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const bounds = { limit, bytes: CHUNK_BYTES };
        const page = tellingFaults(ctx, () => findEvents(ctx, filter, bounds, position, search));
        const { rows, isCut } = await page.catch((error: unknown) => {
          log.error({ requestId, error: safeError(error) }, "export broke off");
          // The status is sent already, so a broken connection tells the caller; servers print what breaks a stream,
          // and the database's own error quotes the filter.
          throw new Error(`export broke off: request ${requestId}`);
        });
        const text = toText(rows.map(toEvent), isFirst);
        isFirst = false;
        if (text !== "") controller.enqueue(encoder.encode(text));
        const last = rows.at(-1);
        if ((rows.length < limit && !isCut) || !last) return controller.close();
        // Of large events, no more are asked for than there will be room for: each that is left out was measured.
        limit = isCut ? Math.max(CHUNK_ROWS_MIN, Math.min(CHUNK_ROWS_MAX, 2 * rows.length)) : CHUNK_ROWS_MAX;
        position = { createdAt: last.position, id: last.id };
      },
    },
    { highWaterMark: 1 },
  );
}

const toNdjson = (events: Event[]) => events.map((one) => `${JSON.stringify(one)}\n`).join("");

const eventsToCsv = (events: Event[], withHeader: boolean) =>
  toCsv(CSV_COLUMNS, events.map(flatten), { withHeader });

function flatten(event: Event) {
  const cell = (value: unknown) =>
    value === null || typeof value === "string" ? value : JSON.stringify(value);
  const cells = CSV_COLUMNS.map((column) => [column, cell(event[column])]);
  return Object.fromEntries(cells) as Record<(typeof CSV_COLUMNS)[number], string | null>;
}
