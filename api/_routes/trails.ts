import { z } from "zod";
import { evidence, evidenceQuery } from "../../services/evidence/evidence.ts";
import { gatherEvidence } from "../../services/evidence/gather.ts";
import { callerId, page, pathId } from "../../services/inputs.ts";
import type { Runtime } from "../../services/runtime.ts";
import { getTrail } from "../../services/trails/get.ts";
import { listTrails, trailQuery } from "../../services/trails/list.ts";
import { patchTrail, trailPatch } from "../../services/trails/patch.ts";
import { putTrail } from "../../services/trails/put.ts";
import { newTrail, trail, TRAIL_BYTES_MAX, trailState } from "../../services/trails/trail.ts";
import type { App } from "../_http/app.ts";
import { asJson } from "../_http/as-json.ts";
import { endpoint } from "../_http/endpoint.ts";

const tag = "Trails";
/** About what a Vercel function takes in at all. */
const EXPLAINED_BYTES_MAX = 4 * 1024 * 1024;
const params = z.object({ messageId: pathId });
const size = { maxBodyBytes: TRAIL_BYTES_MAX, explainedBodyBytes: EXPLAINED_BYTES_MAX };
const written = z.union([trail, trailState]);
const minimal = { answer: (body: unknown) => trailState.parse(body), wholeScope: "trails:read" } as const;
const which = z.strictObject({
  projectId: callerId.optional().describe("Needed when several of your projects have this message id."),
});

export function trailRoutes(app: App, runtime: Runtime): void {
  endpoint(app, runtime, {
    tag,
    method: "put",
    path: "/trails/{messageId}",
    operationId: "putTrail",
    summary: "Store a message trail, as a placeholder or complete",
    description:
      "The same trail may be sent again at any time. A placeholder never replaces a failed or complete trail, nor a failed one a complete one; the answer is what is stored.",
    scope: "trails:write",
    limit: "ingest",
    params,
    body: newTrail,
    example: {
      projectId: "project-7",
      model: "example-large",
      contextLayers: 3,
      reasoning: ["The guest asks for a table at eight.", "A table for four is free at half past."],
      tokens: { prompt: 812, completion: 96 },
      cost: { prompt: 0.0024, completion: 0.0014 },
      latencyMs: 1_840,
    },
    ...size,
    minimal,
    answers: {
      200: { description: "It was there before; this is what is stored now.", schema: written },
      201: { description: "Stored.", schema: written },
    },
    handle: async (ctx, { params: { messageId }, body }) => {
      const stored = await putTrail(ctx, messageId, body);
      if (!stored.created) return { status: 200, body: stored.trail };
      const query = new URLSearchParams({ projectId: body.projectId });
      const headers = { location: `/api/trails/${encodeURIComponent(messageId)}?${query}` };
      return { status: 201, body: stored.trail, headers };
    },
  });
  endpoint(app, runtime, {
    tag,
    method: "patch",
    path: "/trails/{messageId}",
    operationId: "patchTrail",
    summary: "Change fields of a trail; tokens and cost complete it",
    scope: "trails:write",
    limit: "ingest",
    params,
    query: which,
    body: trailPatch,
    example: { tokens: { prompt: 812, completion: 96 }, cost: { prompt: 0.0024, completion: 0.0014 } },
    ...size,
    minimal,
    answers: { 200: { description: "The trail as it is now.", schema: written } },
    handle: async (ctx, { params: { messageId }, query, body }) => ({
      status: 200,
      body: await patchTrail(ctx, messageId, query.projectId ?? body.projectId, body),
    }),
  });
  endpoint(app, runtime, {
    tag,
    method: "get",
    path: "/trails/{messageId}",
    operationId: "getTrail",
    summary: "One trail",
    scope: "trails:read",
    limit: "lookup",
    params,
    query: which,
    answers: { 200: { description: "The trail.", schema: trail } },
    handle: async (ctx, { params: { messageId }, query }) => ({
      status: 200,
      body: await getTrail(ctx, messageId, query.projectId),
    }),
  });
  endpoint(app, runtime, {
    tag,
    method: "get",
    path: "/trails/{messageId}/evidence",
    operationId: "getTrailEvidence",
    summary: "Everything about one message, in one bundle",
    description:
      "The trail with its digests, the events that name it, the history of its row, holds, entries of the deletion log, and where its cost is counted. What the key may not see is left out and named. Once the trail was cleaned up, name its project and workspace.",
    scope: "trails:read",
    limit: "read",
    params,
    query: evidenceQuery,
    answers: { 200: { description: "The bundle.", schema: evidence } },
    handle: async (ctx, { params: { messageId }, query }) => {
      const reading = { ...ctx, archive: runtime.archive };
      return asJson(await gatherEvidence(reading, messageId, query));
    },
  });
  endpoint(app, runtime, {
    tag,
    method: "get",
    path: "/trails",
    operationId: "listTrails",
    summary: "Find trails, newest first",
    scope: "trails:read",
    limit: "read",
    query: trailQuery,
    answers: {
      200: { description: "A page of trails.", schema: page(trail).extend({ total: z.int().optional() }) },
    },
    handle: async (ctx, { query }) => ({ status: 200, body: await listTrails(ctx, query) }),
  });
}
