import { parseArgs } from "node:util";
import { startRedis } from "./index.ts";

// A process of its own: `node --import tsx local/redis/main.ts --data DIR [--port N] [--memory]`.
// Prints one line of JSON when ready; stops on SIGTERM, and when a parent with an IPC channel goes away.
const { values } = parseArgs({
  options: {
    data: { type: "string" },
    port: { type: "string", default: "0" },
    memory: { type: "boolean", default: false },
  },
});
if (values.data === undefined)
  throw new Error("--data DIR is missing: the folder where Redis keeps its data");
const port = Number(values.port);
if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error("--port N must be 0 to 65535");
const hasParent = process.send !== undefined;

const starting = startRedis({
  dataDir: values.data,
  port,
  forceMemory: values.memory,
});

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  const redis = await starting.catch(() => null);
  await redis?.stop();
  process.exit(redis === null ? 1 : 0);
}

process.on("SIGTERM", stop);
// Ctrl-C reaches the whole process group; a parent decides itself when Redis may go.
process.on("SIGINT", () => (hasParent ? undefined : stop()));
if (hasParent) process.on("disconnect", stop);
// It may have gone while this file was being loaded.
if (hasParent && !process.connected) void stop();

// A parent that died before it read the line must not take this process down without its clean stop.
process.stdout.on("error", stop);
const { url, token, kind, pids } = await starting;
console.log(JSON.stringify({ url, token, kind, pids: [process.pid, ...pids] }));
