import { z } from "zod";
import { METRICS_CONTENT_TYPE } from "../../lib/metrics.ts";
import { createFiguresReader, exposeMetrics } from "../../services/metrics/expose.ts";
import { rememberScrapers } from "../../services/metrics/remember-scrapers.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { App } from "../_http/app.ts";
import { endpoint } from "../_http/endpoint.ts";

export function metricsRoutes(app: App, runtime: Runtime): void {
  const readFigures = createFiguresReader(runtime.app.db);
  const authenticate = rememberScrapers(runtime.authenticate);
  endpoint(
    app,
    { ...runtime, authenticate },
    {
      tag: "Metrics",
      method: "get",
      path: "/metrics",
      operationId: "getMetrics",
      summary: "Numbers for operators, as Prometheus reads them",
      description:
        "Of the database, the same whichever instance answers, and of the process that answers, with the label `instance`. For keys that are not limited to workspaces or projects.",
      scope: "metrics:read",
      limit: "read",
      answers: {
        200: {
          description: "Prometheus' text format 0.0.4, also while the database is away.",
          schema: z.string(),
          contentType: "text/plain",
        },
      },
      handle: async (ctx) =>
        new Response(await exposeMetrics(ctx, runtime.metrics, readFigures), {
          headers: { "content-type": METRICS_CONTENT_TYPE },
        }),
    },
  );
}
