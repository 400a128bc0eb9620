import { z } from "zod";
import { hold, newHold } from "../../services/holds/hold.ts";
import { holdQuery, listHolds } from "../../services/holds/list.ts";
import { placeHold } from "../../services/holds/place.ts";
import { holdRelease, releaseHold } from "../../services/holds/release.ts";
import { page, uuid } from "../../services/inputs.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { App } from "../_http/app.ts";
import { endpoint } from "../_http/endpoint.ts";

const tag = "Legal holds";

export function holdRoutes(app: App, runtime: Runtime): void {
  endpoint(app, runtime, {
    tag,
    method: "post",
    path: "/holds",
    operationId: "placeHold",
    summary: "Keep a workspace, a resource or a person's records from being deleted",
    description:
      "All that the hold names has to fit. It stops every deletion, also an approved one, until it is released; archiving goes on, because nothing is deleted by it. A row of a table (`resourceType` `public.guests`, `resourceId` its key) and its history are in no workspace that is known, so a hold that names their table fits them whichever workspace it names; one that names a workspace alone keeps its events.",
    scope: "holds:manage",
    limit: "admin",
    body: newHold,
    example: { workspaceId: "ws-42", reason: "Case 117: what happened here must be kept." },
    answers: { 201: { description: "The hold.", schema: hold } },
    handle: async (ctx, { body }) => ({ status: 201, body: await placeHold(ctx, body) }),
  });
  endpoint(app, runtime, {
    tag,
    method: "get",
    path: "/holds",
    operationId: "listHolds",
    summary: "Holds, newest first",
    scope: "holds:read",
    limit: "read",
    query: holdQuery,
    answers: { 200: { description: "A page of holds.", schema: page(hold) } },
    handle: async (ctx, { query }) => ({ status: 200, body: await listHolds(ctx, query) }),
  });
  endpoint(app, runtime, {
    tag,
    method: "delete",
    path: "/holds/{id}",
    operationId: "releaseHold",
    summary: "Release a hold; it stays on record",
    scope: "holds:manage",
    limit: "admin",
    params: z.object({ id: uuid }),
    query: holdRelease,
    answers: { 200: { description: "The released hold.", schema: hold } },
    handle: async (ctx, { params: { id }, query }) => ({
      status: 200,
      body: await releaseHold(ctx, id, query),
    }),
  });
}
