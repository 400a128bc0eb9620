import type { Runtime } from "../../services/runtime.ts";
import { alertRoutes } from "../_routes/alerts.ts";
import { analyticsRoutes } from "../_routes/analytics.ts";
import { docsRoutes } from "../_routes/docs.ts";
import { eventRoutes } from "../_routes/events.ts";
import { healthRoutes } from "../_routes/health.ts";
import { historyRoutes } from "../_routes/history.ts";
import { holdRoutes } from "../_routes/holds.ts";
import { jobRoutes } from "../_routes/jobs.ts";
import { keyRoutes } from "../_routes/keys.ts";
import { metricsRoutes } from "../_routes/metrics.ts";
import { projectRoutes } from "../_routes/projects.ts";
import { purgeRoutes } from "../_routes/purges.ts";
import { reportRoutes } from "../_routes/reports.ts";
import { restoreRoutes } from "../_routes/restores.ts";
import { retentionRoutes } from "../_routes/retention.ts";
import { trailRoutes } from "../_routes/trails.ts";
import { createBaseApp, type App } from "./app.ts";
import { refuseOtherMethods } from "./methods.ts";
import { observeRequests } from "./observe.ts";
import { watchRefusals } from "./refusals.ts";

/** The whole API as one app, answering `Request`s below /api. */
export function createApp(runtime: Runtime): App {
  const app = createBaseApp(runtime.log, watchRefusals(runtime));
  observeRequests(app, runtime);
  alertRoutes(app, runtime);
  eventRoutes(app, runtime);
  historyRoutes(app, runtime);
  holdRoutes(app, runtime);
  purgeRoutes(app, runtime);
  restoreRoutes(app, runtime);
  retentionRoutes(app, runtime);
  jobRoutes(app, runtime);
  keyRoutes(app, runtime);
  projectRoutes(app, runtime);
  analyticsRoutes(app, runtime);
  trailRoutes(app, runtime);
  metricsRoutes(app, runtime);
  reportRoutes(app, runtime);
  healthRoutes(app, runtime);
  docsRoutes(app);
  refuseOtherMethods(app);
  return app;
}
