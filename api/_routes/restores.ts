import { z } from "zod";
import { cancelRestore } from "../../services/restore/cancel.ts";
import { decideRestore } from "../../services/restore/decide.ts";
import { getRestore, restoreDetail } from "../../services/restore/get.ts";
import {
  itemQuery,
  listRestoreItems,
  listRestores,
  restoreItem,
  restoreQuery,
} from "../../services/restore/list.ts";
import { previewRestore, type PlanningContext } from "../../services/restore/preview.ts";
import { repeatSideEffects } from "../../services/restore/repeat-effects.ts";
import { resumeRestore } from "../../services/restore/resume.ts";
import { rollbackRestore } from "../../services/restore/rollback.ts";
import { restore, type Restore } from "../../services/restore/run.ts";
import { startRestore } from "../../services/restore/start.ts";
import {
  decisionRequest,
  planRequest,
  rollbackRequest,
  startRequest,
} from "../../services/restore/target.ts";
import type { Context } from "../../services/context.ts";
import { page, uuid } from "../../services/inputs.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { App } from "../_http/app.ts";
import { asJson } from "../_http/as-json.ts";
import { endpoint } from "../_http/endpoint.ts";

const params = z.object({ id: uuid });
const read = { tag: "Restores", method: "get", scope: "restores:read", limit: "read" } as const;
const run = { tag: "Restores", method: "post", scope: "restores:run", limit: "admin" } as const;
const decide = { ...run, scope: "restores:approve" } as const;
const accepted = (body: Restore) => ({
  status: 202,
  body,
  headers: { location: `/api/restores/${body.id}` },
});

export function restoreRoutes(app: App, runtime: Runtime): void {
  const planning = (ctx: Context): PlanningContext => ({
    ...ctx,
    worker: runtime.worker.db,
    config: runtime.config,
  });
  endpoint(app, runtime, {
    ...run,
    path: "/restores/preview",
    operationId: "previewRestore",
    summary: "What a restore would do, and what is in its way",
    body: planRequest,
    example: {
      target: { table: "public.venues", recordId: "42" },
      reason: "The opening hours were overwritten by an import.",
    },
    answers: { 201: { description: "The plan; its rows are at /restores/{id}/items.", schema: restore } },
    handle: async (ctx, { body }) => {
      const plan = await previewRestore(planning(ctx), body);
      return { status: 201, body: plan, headers: { location: `/api/restores/${plan.id}` } };
    },
  });
  endpoint(app, runtime, {
    ...run,
    path: "/restores",
    operationId: "startRestore",
    summary: "Start a previewed plan, or plan a target anew and start that",
    body: startRequest,
    answers: { 202: { description: "Started; Location says where to follow it.", schema: restore } },
    handle: async (ctx, { body }) => accepted(await startRestore(planning(ctx), body)),
  });
  endpoint(app, runtime, {
    ...read,
    path: "/restores",
    operationId: "listRestores",
    summary: "Restores and rollbacks, newest first",
    query: restoreQuery,
    answers: { 200: { description: "A page of restores.", schema: page(restore) } },
    handle: async (ctx, { query }) => ({ status: 200, body: await listRestores(ctx, query) }),
  });
  endpoint(app, runtime, {
    ...read,
    path: "/restores/{id}",
    operationId: "getRestore",
    summary: "A restore with its steps and its report",
    params,
    answers: { 200: { description: "The restore.", schema: restoreDetail } },
    handle: async (ctx, { params: { id } }) => ({ status: 200, body: await getRestore(ctx, id) }),
  });
  endpoint(app, runtime, {
    ...read,
    path: "/restores/{id}/items",
    operationId: "listRestoreItems",
    summary: "The rows of a restore: each column now and restored, and what became of it",
    params,
    query: itemQuery,
    answers: { 200: { description: "A page of rows.", schema: page(restoreItem) } },
    handle: async (ctx, { params: { id }, query }) => asJson(await listRestoreItems(ctx, id, query)),
  });
  for (const [verb, decision] of [
    ["approve", "approved"],
    ["reject", "rejected"],
  ] as const) {
    endpoint(app, runtime, {
      ...decide,
      path: `/restores/{id}/${verb}`,
      operationId: `${verb}Restore`,
      summary: verb === "approve" ? "Approve a restore that somebody else asked for" : "Reject a restore",
      params,
      body: decisionRequest,
      answers: { 200: { description: "The restore.", schema: restore } },
      handle: async (ctx, { params: { id }, body }) => ({
        status: 200,
        body: await decideRestore(ctx, id, decision, body),
      }),
    });
  }
  endpoint(app, runtime, {
    ...run,
    path: "/restores/{id}/cancel",
    operationId: "cancelRestore",
    summary: "End a restore between two chunks, or at once when nobody works on it",
    params,
    answers: { 202: { description: "Asked for; what is applied stays.", schema: restore } },
    handle: async (ctx, { params: { id } }) => accepted(await cancelRestore(ctx, id)),
  });
  endpoint(app, runtime, {
    ...run,
    path: "/restores/{id}/resume",
    operationId: "resumeRestore",
    summary: "Let a restore go on that stopped",
    params,
    answers: { 202: { description: "It goes on where it stopped.", schema: restore } },
    handle: async (ctx, { params: { id } }) => accepted(await resumeRestore(ctx, id)),
  });
  endpoint(app, runtime, {
    ...run,
    path: "/restores/{id}/rollback",
    operationId: "rollBackRestore",
    summary: "Put everything back as it was before a restore",
    params,
    body: rollbackRequest,
    answers: {
      202: { description: "A restore of its own; Location says where to follow it.", schema: restore },
    },
    handle: async (ctx, { params: { id }, body }) => accepted(await rollbackRestore(planning(ctx), id, body)),
  });
  endpoint(app, runtime, {
    ...run,
    path: "/restores/{id}/side-effects",
    operationId: "repeatRestoreSideEffects",
    summary: "Flush the caches and enqueue the jobs of a restore once more",
    params,
    answers: {
      202: {
        description: "Asked for; steps shows when it is done.",
        schema: restore.extend({ repeat: z.number().int() }),
      },
    },
    handle: async (ctx, { params: { id } }) => accepted(await repeatSideEffects(ctx, id)),
  });
}
