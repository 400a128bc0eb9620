import { parseArgs } from "node:util";
import { endWithParent } from "../children.ts";
import { startNeon } from "./index.ts";

// A process of its own: `node --import tsx local/neon/main.ts --postgres HOST:PORT [--port N]`.
// Prints one line of JSON when ready.
const { values } = parseArgs({
  options: { postgres: { type: "string" }, port: { type: "string", default: "0" } },
});
const [postgresHost, postgresPort] = (values.postgres ?? "").split(":");
if (!postgresHost || !postgresPort)
  throw new Error("--postgres HOST:PORT is missing: the server that it stands in front of");

const neon = await startNeon({ postgresHost, postgresPort: Number(postgresPort), port: Number(values.port) });
endWithParent(() => neon.stop());
console.log(JSON.stringify({ proxy: neon.proxy, pid: process.pid }));
