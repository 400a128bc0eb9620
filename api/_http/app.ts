import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context as HonoContext } from "hono";
import { safeError, type Logger } from "../../lib/logger.ts";
import { ServiceError } from "../../services/errors.ts";
import { toServiceError } from "./failures.ts";
import { problemResponse } from "./problems.ts";
import type { WatchRefusals } from "./refusals.ts";

export interface Variables {
  requestId: string;
  /** The route's pattern and the key's id, for the log: never what the caller sent. */
  route: string;
  keyId: string | undefined;
  limitHeaders: Record<string, string>;
}

export type App = OpenAPIHono<{ Variables: Variables }>;
export type AppContext = HonoContext<{ Variables: Variables }>;

export const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** An app below /api that names each request, logs it in one line and turns every error into a problem document. */
export function createBaseApp(log: Logger, watch: WatchRefusals): App {
  const app = new OpenAPIHono<{ Variables: Variables }>().basePath("/api") as App;
  app.use(async (c, next) => {
    const started = performance.now();
    c.set("requestId", crypto.randomUUID());
    c.set("route", "none");
    c.set("limitHeaders", {});
    await next();
    for (const [name, value] of Object.entries(c.get("limitHeaders"))) c.res.headers.set(name, value);
    c.res.headers.set("x-request-id", c.get("requestId"));
    c.res.headers.set("x-content-type-options", "nosniff");
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
    log.info(
      {
        requestId: c.get("requestId"),
        method: METHODS.has(c.req.method) ? c.req.method : "other",
        route: c.get("route"),
        status: c.res.status,
        ms: Math.round((performance.now() - started) * 10) / 10,
        keyId: c.get("keyId"),
      },
      "request",
    );
  });
  app.onError(async (error, c) => {
    const refusal = toServiceError(error);
    if (refusal.code === "internal" || refusal.code === "unavailable") {
      const level = refusal.code === "internal" ? "error" : "warn";
      log[level](
        { requestId: c.get("requestId"), route: c.get("route"), error: safeError(error) },
        refusal.code,
      );
    }
    await watch(refusal, c);
    return problemResponse(refusal, c.get("requestId"));
  });
  app.notFound((c) =>
    problemResponse(
      new ServiceError("not_found", "There is no such route; /api/docs lists them."),
      c.get("requestId") ?? crypto.randomUUID(),
    ),
  );
  return app;
}
