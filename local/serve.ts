import { serve } from "@hono/node-server";
import { parseArgs } from "node:util";
import api from "../api/_index.ts";
import inngest from "../api/_inngest.ts";
import { sharedRuntime } from "../services/runtime.ts";
import { endWithParent } from "./children.ts";
import { localConfig } from "./config.ts";
import { HTTP_LIMITS } from "./http-limits.ts";

// Both deployed functions in one server: `node --import tsx local/serve.ts --port N`, configured by the environment.
const { values } = parseArgs({ options: { port: { type: "string", default: "3000" } } });
const STOP_TIMEOUT_MS = 5_000;

const config = await localConfig();
const runtime = sharedRuntime(config ? { config } : {});

const server = serve(
  {
    hostname: "127.0.0.1",
    port: Number(values.port),
    serverOptions: HTTP_LIMITS,
    fetch: (request) =>
      new URL(request.url).pathname === "/api/inngest" ? inngest.fetch(request) : api.fetch(request),
  },
  ({ port }) => console.log(JSON.stringify({ url: `http://127.0.0.1:${port}`, pid: process.pid })),
);

endWithParent(async () => {
  const closed = new Promise((resolve) => server.close(resolve));
  if ("closeIdleConnections" in server) server.closeIdleConnections();
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, STOP_TIMEOUT_MS))]);
  await runtime.close();
});
