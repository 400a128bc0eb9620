import { createApp } from "./_http/create-app.ts";
import type { App } from "./_http/app.ts";
import { sharedRuntime } from "../services/runtime.ts";

let app: App | undefined;

/** The one function that answers everything below /api but /api/inngest. */
export default {
  fetch: (request: Request): Response | Promise<Response> =>
    (app ??= createApp(sharedRuntime())).fetch(request),
};
