import { checkReadiness } from "../../services/readiness/check.ts";
import { shareFor } from "../../lib/promises.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { App } from "../_http/app.ts";

/** Anybody may ask, so the checks run once in this time, however many ask. */
const READY_MS = 2_000;
const RETRY_AFTER_S = 2;

/** For monitors, without a key: neither answer holds anything of a tenant. */
export function healthRoutes(app: App, runtime: Runtime): void {
  app.openAPIRegistry.registerPath({
    method: "get",
    path: "/health",
    tags: ["Health"],
    operationId: "getHealth",
    summary: "Whether the process answers",
    responses: { 200: { description: "It does." } },
  });
  app.openAPIRegistry.registerPath({
    method: "get",
    path: "/ready",
    tags: ["Health"],
    operationId: "getReadiness",
    summary:
      "Database, schema, guards, partitions, row history, cold files, roles, schedules, requests, alerts, channels and configuration, each with what to do",
    description:
      "Anybody may ask, so what is the application's own, such as its tables, is counted; `npx afterimage doctor` names it.",
    responses: { 200: { description: "ok, or warn" }, 503: { description: "fail" } },
  });
  app.get("/health", (c) => {
    c.set("route", "/health");
    return c.json({ status: "ok" });
  });
  const ready = shareFor(READY_MS, () =>
    checkReadiness(runtime.app.db, runtime.worker.db, {
      quiet: runtime.quiet,
      channels: runtime.alerting.channels.map((one) => one.id),
      archive: runtime.archive,
      config: runtime.config,
    }),
  );
  app.get("/ready", async (c) => {
    c.set("route", "/ready");
    const readiness = await ready();
    if (readiness.status !== "fail") return c.json(readiness);
    return c.json(readiness, 503, { "retry-after": String(RETRY_AFTER_S) });
  });
}
