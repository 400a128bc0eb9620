import { z } from "zod";
import { getWeeklyReport, weeklyReport } from "../../services/reports/weekly.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { App } from "../_http/app.ts";
import { endpoint } from "../_http/endpoint.ts";

const params = z.object({
  week: z
    .string()
    .regex(/^\d{4}-W\d{2}$/, "must be an ISO week: 2026-W47")
    .describe("An ISO week, Monday to Sunday (UTC): 2026-W47."),
});

export function reportRoutes(app: App, runtime: Runtime): void {
  endpoint(app, runtime, {
    tag: "Reports",
    method: "get",
    path: "/reports/weekly/{week}",
    operationId: "getWeeklyReport",
    summary: "What happened in a week, as it was counted on the Monday after",
    description: "For keys that are not limited to workspaces or projects: it is about all of them.",
    scope: "reports:read",
    limit: "read",
    params,
    answers: { 200: { description: "The report.", schema: weeklyReport } },
    handle: async (ctx, { params: { week } }) => ({ status: 200, body: await getWeeklyReport(ctx, week) }),
  });
}
