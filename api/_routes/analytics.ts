import { z } from "zod";
import { analyticsExport, exportAnalytics } from "../../services/analytics/export.ts";
import { analytics, getAnalytics } from "../../services/analytics/get.ts";
import { analyticsQuery } from "../../services/analytics/range.ts";
import { pathId } from "../../services/inputs.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { App } from "../_http/app.ts";
import { endpoint } from "../_http/endpoint.ts";

const tag = "Projects";
const params = z.object({ projectId: pathId });
const ROUTES = [
  {
    operationId: "getAnalytics",
    path: "/projects/{projectId}/analytics",
    summary: "What a project's messages cost, by day and by model",
  },
  {
    operationId: "getAssessmentAnalytics",
    path: "/projects/{projectId}/assessment/analytics",
    summary: "The same, under a path that older callers use",
  },
];

export function analyticsRoutes(app: App, runtime: Runtime): void {
  for (const route of ROUTES) {
    endpoint(app, runtime, {
      tag,
      method: "get",
      ...route,
      description: "As of now, in any time zone; trails that were cleaned up since are counted, too.",
      scope: "trails:read",
      limit: "read",
      params,
      query: analyticsQuery,
      answers: { 200: { description: "Sums, and the newest trails.", schema: analytics } },
      handle: async (ctx, { params: { projectId }, query }) => ({
        status: 200,
        body: await getAnalytics(ctx, projectId, query),
      }),
    });
  }
  endpoint(app, runtime, {
    tag,
    method: "get",
    path: "/projects/{projectId}/analytics/export",
    operationId: "exportAnalytics",
    summary: "What a project's messages cost as CSV, a line for each day and model",
    scope: "trails:read",
    limit: "export",
    params,
    query: analyticsExport,
    answers: { 200: { description: "A file.", schema: z.string(), contentType: "text/csv" } },
    handle: async (ctx, { params: { projectId }, query }) =>
      new Response(await exportAnalytics(ctx, projectId, query), {
        headers: {
          "content-type": "text/csv; charset=utf-8",
          "content-disposition": 'attachment; filename="analytics.csv"',
        },
      }),
  });
}
