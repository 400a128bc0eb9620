import type { Attributes } from "../../lib/tracing.ts";
import type { Runtime } from "../../services/runtime.ts";
import { METHODS, type App, type AppContext } from "./app.ts";

const MS_PER_S = 1_000;
const SERVER_ERROR_MIN = 500;
/** What the route is called while no route has answered. */
const NO_ROUTE = "none";

/**
 * Counts and times each request, and makes it a span with what it asks of the database below it. Names, labels and
 * attributes are route patterns, known methods and ids of ours, never what the caller sent. Call it before any route is
 * mounted.
 */
export function observeRequests(app: App, { metrics, tracing }: Pick<Runtime, "metrics" | "tracing">): void {
  app.use(async (c, next) => {
    const started = performance.now();
    const start = { name: "request", kind: "server", traceparent: c.req.header("traceparent") } as const;
    await tracing.span(start, async (span) => {
      await next();
      span.rename(spanName(c));
      span.set(spanAttributes(c));
      if (c.res.status >= SERVER_ERROR_MIN) span.fail(String(c.res.status));
    });
    metrics.observeRequest({
      method: knownMethod(c) ?? "other",
      route: c.get("route"),
      status: c.res.status,
      seconds: (performance.now() - started) / MS_PER_S,
    });
  });
}

const knownMethod = (c: AppContext) => (METHODS.has(c.req.method) ? c.req.method : undefined);

/** As OpenTelemetry's conventions for HTTP spans have it. */
function spanName(c: AppContext): string {
  const method = knownMethod(c) ?? "HTTP";
  const route = c.get("route");
  return route === NO_ROUTE ? method : `${method} ${route}`;
}

function spanAttributes(c: AppContext): Attributes {
  const route = c.get("route");
  const keyId = c.get("keyId");
  return {
    "http.request.method": knownMethod(c) ?? "_OTHER",
    "http.response.status_code": c.res.status,
    "afterimage.request_id": c.get("requestId"),
    ...(route === NO_ROUTE ? {} : { "http.route": route }),
    ...(keyId === undefined ? {} : { "afterimage.key_id": keyId }),
  };
}
