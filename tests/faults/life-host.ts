import { serve as listen } from "@hono/node-server";
import { serve } from "inngest/edge";
import { parseArgs } from "node:util";
import pg from "pg";
import { workflows } from "../../functions/index.ts";
import { readEnv } from "../../lib/env.ts";
import { createInngest } from "../../lib/inngest.ts";
import { createLogger } from "../../lib/logger.ts";
import { createRuntime } from "../../services/runtime.ts";
import type { StorageMode } from "./life-pauses.ts";
import { SUITE } from "./life-points.ts";
import { pausingStorage } from "./life-storage.ts";

/** The function host that gets killed, with the service's own workflows and a storage that can be held and can fail. */
const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    engine: { type: "string", default: "" },
    "superuser-url": { type: "string", default: "" },
    folder: { type: "string", default: "" },
  },
});

const client = new pg.Client({ connectionString: values["superuser-url"], application_name: SUITE });
await client.connect();
const reach = async (point: string) => {
  const { rows } = await client.query<{ mode: StorageMode | null }>(
    "select faults.reach_storage($1) as mode",
    [point],
  );
  return rows[0]?.mode ?? null;
};

const log = createLogger("silent");
const inngest = createInngest(log, values.engine);
const env = readEnv();
const archive = { storage: pausingStorage(values.folder, reach), keys: env.ARCHIVE_KEYS ?? [] };
const runtime = createRuntime(env, { log, inngest, archive, redis: null });
const fetch = serve({ client: inngest, functions: workflows(runtime), servePath: "/api/inngest" });
listen({ fetch, hostname: "127.0.0.1", port: Number(values.port) }, () => process.stdout.write("ready\n"));
