import { z } from "zod";
import { getRetention } from "../../services/retention/get.ts";
import { newPolicy, policy } from "../../services/retention/policy.ts";
import { setWorkspaceRetention } from "../../services/retention/set.ts";
import { pathId } from "../../services/inputs.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { App } from "../_http/app.ts";
import { endpoint } from "../_http/endpoint.ts";

const tag = "Retention";
const path = "/retention/{workspaceId}";
const params = z.object({ workspaceId: pathId });
const answers = { 200: { description: "The policy.", schema: policy } };

export function retentionRoutes(app: App, runtime: Runtime): void {
  endpoint(app, runtime, {
    tag,
    method: "get",
    path,
    operationId: "getWorkspaceRetention",
    summary: "How long a workspace's events stay where",
    description: "Ages count from an event's createdAt. A workspace's first event gives it the defaults.",
    scope: "retention:read",
    limit: "read",
    params,
    answers,
    handle: async (ctx, { params: { workspaceId } }) => ({
      status: 200,
      body: await getRetention(ctx, workspaceId),
    }),
  });
  endpoint(app, runtime, {
    tag,
    method: "put",
    path,
    operationId: "setWorkspaceRetention",
    summary: "Set how long a workspace's events stay where",
    description: "The change is an event of the workspace, UPDATE_RETENTION_POLICY, with before and after.",
    scope: "retention:manage",
    limit: "admin",
    params,
    body: newPolicy,
    answers,
    handle: async (ctx, { params: { workspaceId }, body }) => ({
      status: 200,
      body: await setWorkspaceRetention(ctx, workspaceId, body),
    }),
  });
}
