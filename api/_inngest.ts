import { serve } from "inngest/edge";
import { workflows } from "../functions/index.ts";
import { sharedRuntime } from "../services/runtime.ts";

type Handler = (request: Request) => Promise<Response>;

let handler: Handler | undefined;

function open(): Handler {
  const runtime = sharedRuntime();
  return serve({ client: runtime.inngest, functions: workflows(runtime), servePath: "/api/inngest" });
}

/** The endpoint that the workflow engine calls: it registers the workflows and runs their steps. */
export default {
  fetch: (request: Request): Promise<Response> => (handler ??= open())(request),
};
