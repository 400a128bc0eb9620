import { parseArgs } from "node:util";
import { endWithParent } from "../children.ts";
import { startInngest } from "./index.ts";

const USAGE = `node --import tsx local/inngest/main.ts
  --database-url <url>     or INNGEST_DATABASE_URL: where runs are kept
  --port <n>               or INNGEST_PORT: 0 takes any free port (default)
  --app-url <url>          a serve() endpoint to register; may be repeated
  --retry-backoff-ms <n,…> waits between attempts; Inngest's own schedule by default
  --no-checkpointing       one request per step
`;

const { values } = parseArgs({
  options: {
    "database-url": { type: "string", default: process.env.INNGEST_DATABASE_URL },
    port: { type: "string", default: process.env.INNGEST_PORT ?? "0" },
    "app-url": { type: "string", multiple: true, default: [] },
    "retry-backoff-ms": { type: "string" },
    "no-checkpointing": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help || !values["database-url"]) {
  process.stderr.write(USAGE);
  process.exit(values.help ? 0 : 2);
}

const server = await startInngest({
  databaseUrl: values["database-url"],
  port: Number(values.port),
  appUrls: values["app-url"],
  checkpointing: !values["no-checkpointing"],
  ...(values["retry-backoff-ms"]
    ? { retryBackoffMs: values["retry-backoff-ms"].split(",").map(Number) }
    : {}),
});

endWithParent(() => server.stop());

process.stdout.write(
  `${JSON.stringify({ ready: true, url: server.url, port: server.port, pid: process.pid })}\n`,
);
