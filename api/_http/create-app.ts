import type { Runtime } from "../../services/runtime.ts";
import { eventRoutes } from "../_routes/events.ts";
import { keyRoutes } from "../_routes/keys.ts";
import { createBaseApp, type App } from "./app.ts";

/** The whole API as one app, answering `Request`s below /api. */
export function createApp(runtime: Runtime): App {
  const app = createBaseApp(runtime.log);
  eventRoutes(app, runtime);
  keyRoutes(app, runtime);
  return app;
}
