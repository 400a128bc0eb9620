import { z } from "zod";
import { acknowledgeAlert } from "../../services/alerts/acknowledge.ts";
import { alert, alertInFull, alertInList } from "../../services/alerts/alert.ts";
import { alertFilter, getAlert, listAlerts } from "../../services/alerts/list.ts";
import { page, uuid } from "../../services/inputs.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { App } from "../_http/app.ts";
import { endpoint } from "../_http/endpoint.ts";

const params = z.object({ id: uuid });
const read = { tag: "Alerts", method: "get", scope: "alerts:read", limit: "read" } as const;
const NOT_FOR_TENANTS =
  "Alerts are about the whole service: a key limited to workspaces or projects is refused.";

export function alertRoutes(app: App, runtime: Runtime): void {
  const { docsUrl } = runtime.alerting;
  endpoint(app, runtime, {
    ...read,
    path: "/alerts",
    operationId: "listAlerts",
    summary: "Alerts, newest first, and whether their messages arrived",
    description: NOT_FOR_TENANTS,
    query: alertFilter,
    answers: { 200: { description: "A page of alerts.", schema: page(alertInList) } },
    handle: async (ctx, { query }) => ({ status: 200, body: await listAlerts(ctx, query, docsUrl) }),
  });
  endpoint(app, runtime, {
    ...read,
    path: "/alerts/{id}",
    operationId: "getAlert",
    summary: "An alert and its messages",
    description: NOT_FOR_TENANTS,
    params,
    answers: { 200: { description: "The alert.", schema: alertInFull } },
    handle: async (ctx, { params: { id } }) => ({ status: 200, body: await getAlert(ctx, id, docsUrl) }),
  });
  endpoint(app, runtime, {
    ...read,
    method: "post",
    scope: "alerts:manage",
    limit: "admin",
    path: "/alerts/{id}/acknowledge",
    operationId: "acknowledgeAlert",
    summary: "Say that somebody looks after an alert",
    description: `It is no longer told again; a resolved one is a 409. ${NOT_FOR_TENANTS}`,
    params,
    answers: { 200: { description: "The acknowledged alert.", schema: alert } },
    handle: async (ctx, { params: { id } }) => ({
      status: 200,
      body: await acknowledgeAlert(ctx, id, docsUrl),
    }),
  });
}
