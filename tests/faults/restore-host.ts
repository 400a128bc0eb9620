import { serve as listen } from "@hono/node-server";
import { serve } from "inngest/edge";
import { parseArgs } from "node:util";
import { workflows } from "../../functions/index.ts";
import { readEnv } from "../../lib/env.ts";
import { createInngest } from "../../lib/inngest.ts";
import { createLogger } from "../../lib/logger.ts";
import { createRuntime } from "../../services/runtime.ts";
import { laneConfig } from "./restore-config.ts";

/** The function host that gets killed, with the service's own workflows and the suite's configuration. */
const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    engine: { type: "string", default: "" },
    lanes: { type: "string", default: "1" },
    jobs: { type: "string", default: "" },
  },
});

const log = createLogger("silent");
const inngest = createInngest(log, values.engine);
const config = laneConfig(Number(values.lanes), values.jobs);
const runtime = createRuntime(readEnv(), { log, inngest, config });
const fetch = serve({ client: inngest, functions: workflows(runtime), servePath: "/api/inngest" });
listen({ fetch, hostname: "127.0.0.1", port: Number(values.port) }, () => process.stdout.write("ready\n"));
