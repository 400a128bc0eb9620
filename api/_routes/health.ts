import { checkReadiness } from "../../services/readiness/check.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { App } from "../_http/app.ts";

/** For monitors, without a key: neither answer holds anything of a tenant. */
export function healthRoutes(app: App, runtime: Runtime): void {
  app.openAPIRegistry.registerPath({
    method: "get",
    path: "/health",
    tags: ["Health"],
    summary: "Whether the process answers",
    responses: { 200: { description: "It does." } },
  });
  app.openAPIRegistry.registerPath({
    method: "get",
    path: "/ready",
    tags: ["Health"],
    summary:
      "Database, schema, guards, partitions, roles, schedules, requests and alerts, each with what to do",
    responses: { 200: { description: "ok, or warn" }, 503: { description: "fail" } },
  });
  app.get("/health", (c) => {
    c.set("route", "/health");
    return c.json({ status: "ok" });
  });
  app.get("/ready", async (c) => {
    c.set("route", "/ready");
    const readiness = await checkReadiness(runtime.app.db, runtime.worker.db);
    return c.json(readiness, readiness.status === "fail" ? 503 : 200);
  });
}
