import { z } from "zod";
import { page, uuid } from "../../services/inputs.ts";
import { decidePurge } from "../../services/purges/decide.ts";
import { listPurges, purgeQuery } from "../../services/purges/list.ts";
import { purge, purgeDecision } from "../../services/purges/purge.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { App } from "../_http/app.ts";
import { endpoint } from "../_http/endpoint.ts";

const tag = "Purges";

export function purgeRoutes(app: App, runtime: Runtime): void {
  endpoint(app, runtime, {
    tag,
    method: "get",
    path: "/purges",
    operationId: "listPurges",
    summary: "Proposed removals of cold files, newest first",
    scope: "purges:read",
    limit: "read",
    query: purgeQuery,
    answers: { 200: { description: "A page of purges.", schema: page(purge) } },
    handle: async (ctx, { query }) => ({ status: 200, body: await listPurges(ctx, query) }),
  });
  for (const [verb, decision] of [
    ["approve", "approved"],
    ["reject", "rejected"],
  ] as const) {
    endpoint(app, runtime, {
      tag,
      method: "post",
      path: `/purges/{id}/${verb}`,
      operationId: `${verb}Purge`,
      summary: verb === "approve" ? "Let events past their retention go for good" : "Keep them",
      scope: "purges:approve",
      limit: "admin",
      params: z.object({ id: uuid }),
      body: purgeDecision,
      answers: { 200: { description: "The purge; GET /purges shows how it goes.", schema: purge } },
      handle: async (ctx, { params: { id }, body }) => ({
        status: 200,
        body: await decidePurge(ctx, id, decision, body),
      }),
    });
  }
}
