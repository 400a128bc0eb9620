import { createApp } from "../../api/_http/create-app.ts";
import { readEnv } from "../../lib/env.ts";
import { createLogger } from "../../lib/logger.ts";
import { createRuntime } from "../../services/runtime.ts";

// A process that is killed in the moment after its write is committed and before the workflow engine hears of it.
const runtime = createRuntime(readEnv(), {
  log: createLogger("silent"),
  limiter: { check: async () => null },
  send: async () => process.kill(process.pid, "SIGKILL") as never,
});
await createApp(runtime).request("http://localhost/api/jobs/trail-rollup/run", {
  method: "POST",
  headers: { authorization: `Bearer ${process.env.TEST_API_KEY}` },
});
