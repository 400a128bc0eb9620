import { serve } from "@hono/node-server";
import { parseArgs } from "node:util";
import api from "../../api/_index.ts";
import { HTTP_LIMITS } from "../../local/http-limits.ts";
import { hazards } from "../client/hazards.ts";

/** The service that gets killed: the API as `local/serve.ts` runs it, with faults at its door for a share of the requests. */
const { values } = parseArgs({
  options: { port: { type: "string", default: "0" }, share: { type: "string", default: "0" } },
});
const fault = hazards(Number(values.share));

serve(
  {
    hostname: "127.0.0.1",
    port: Number(values.port),
    serverOptions: HTTP_LIMITS,
    fetch: (request) => fault(request, async (one) => api.fetch(one)),
  },
  () => process.stdout.write("ready\n"),
);
