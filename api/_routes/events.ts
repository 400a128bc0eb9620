import { z } from "zod";
import { unarchived, unarchiveEvent, unarchiving } from "../../services/archive/unarchive.ts";
import { appendEvents, BATCH_BYTES_MAX, EVENT_BYTES_MAX, newEvents } from "../../services/events/append.ts";
import { event, newEvent } from "../../services/events/event.ts";
import { eventExport, exportEvents } from "../../services/events/export.ts";
import { eventQuery } from "../../services/events/filter.ts";
import { getEvent } from "../../services/events/get.ts";
import { listEvents } from "../../services/events/list.ts";
import type { Context } from "../../services/context.ts";
import { replayHeaders } from "../../services/requests/run-idempotent.ts";
import { flag, page, uuid } from "../../services/inputs.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { App } from "../_http/app.ts";
import { endpoint } from "../_http/endpoint.ts";

const tag = "Events";
const stored = z.object({ id: z.string(), createdAt: z.string() });
const eventExample = {
  actionType: "UPDATE_WORKSPACE",
  resourceType: "workspace",
  resourceId: "ws-42",
  workspaceId: "ws-42",
  createdByUserId: "user-7",
  oldValues: { name: "Harbour" },
  newValues: { name: "Harbour Lights" },
};
const EXPORT_TYPES = { csv: "text/csv; charset=utf-8", ndjson: "application/x-ndjson" };

export function eventRoutes(app: App, runtime: Runtime): void {
  const reading = (ctx: Context) => ({ ...ctx, archive: runtime.archive });
  endpoint(app, runtime, {
    tag,
    method: "post",
    path: "/audit/log",
    operationId: "appendEvent",
    summary: "Append one event",
    scope: "events:write",
    limit: "ingest",
    body: newEvent,
    example: eventExample,
    maxBodyBytes: EVENT_BYTES_MAX,
    idempotency: "own",
    answers: {
      200: { description: "This eventId is stored already; here is where.", schema: stored },
      201: { description: "Stored.", schema: stored },
    },
    handle: async (ctx, { body, idempotent }) => {
      const { events, isReplay } = await appendEvents(ctx, [body], idempotent, "body");
      const [one] = events;
      const status = one?.duplicate ? 200 : 201;
      return { status, body: { id: one?.id, createdAt: one?.createdAt }, headers: replayHeaders(isReplay) };
    },
  });
  endpoint(app, runtime, {
    tag,
    method: "post",
    path: "/audit/log/batch",
    operationId: "appendEvents",
    summary: "Append up to 1,000 events, all or none",
    scope: "events:write",
    limit: "ingest",
    body: newEvents,
    example: { events: [eventExample] },
    maxBodyBytes: BATCH_BYTES_MAX,
    idempotency: "own",
    answers: {
      201: {
        description: "The ids, in the order of the events.",
        schema: z.object({ ids: z.array(z.string()) }),
      },
    },
    handle: async (ctx, { body, idempotent }) => {
      const { events, isReplay } = await appendEvents(ctx, body.events, idempotent);
      return { status: 201, body: { ids: events.map((one) => one.id) }, headers: replayHeaders(isReplay) };
    },
  });
  endpoint(app, runtime, {
    tag,
    method: "get",
    path: "/audit/events",
    operationId: "listEvents",
    summary: "Find events, newest first",
    scope: "events:read",
    limit: "read",
    query: eventQuery,
    answers: {
      200: { description: "A page of events.", schema: page(event).extend({ total: z.int().optional() }) },
    },
    handle: async (ctx, { query }) => ({ status: 200, body: await listEvents(reading(ctx), query) }),
  });
  endpoint(app, runtime, {
    tag,
    method: "get",
    path: "/audit/events/export",
    operationId: "exportEvents",
    summary: "Stream matching events as CSV or NDJSON",
    scope: "events:export",
    limit: "export",
    query: eventExport,
    answers: {
      200: { description: "A file.", schema: z.string(), contentType: ["text/csv", "application/x-ndjson"] },
    },
    handle: async (ctx, { query }) =>
      new Response(await exportEvents(reading(ctx), query), {
        headers: {
          "content-type": EXPORT_TYPES[query.format],
          "content-disposition": `attachment; filename="audit-events.${query.format}"`,
        },
      }),
  });
  endpoint(app, runtime, {
    tag,
    method: "get",
    path: "/audit/events/{id}",
    operationId: "getEvent",
    summary: "One event",
    scope: "events:read",
    limit: "read",
    params: z.object({ id: uuid }),
    query: z.strictObject({ includeDeleted: flag.optional() }),
    answers: { 200: { description: "The event.", schema: event } },
    handle: async (ctx, { params, query }) => ({
      status: 200,
      body: await getEvent(reading(ctx), params.id, query.includeDeleted ?? false),
    }),
  });
  endpoint(app, runtime, {
    tag,
    method: "post",
    path: "/audit/events/{id}/unarchive",
    operationId: "unarchiveEvent",
    summary: "Bring an archived event back into hot storage for some days",
    description: "From the archive or a cold file. An event that is hot already is kept there as long.",
    scope: "retention:manage",
    limit: "admin",
    params: z.object({ id: uuid }),
    body: unarchiving,
    answers: { 200: { description: "Until when it stays.", schema: unarchived } },
    handle: async (ctx, { params, body }) => ({
      status: 200,
      body: await unarchiveEvent(reading(ctx), params.id, body),
    }),
  });
}
