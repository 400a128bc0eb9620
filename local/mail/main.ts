import { parseArgs } from "node:util";
import { endWithParent } from "../children.ts";
import { startMail } from "./index.ts";

// A process of its own: `node --import tsx local/mail/main.ts --data DIR [--port N]`.
// Prints one line of JSON when ready.
const { values } = parseArgs({
  options: { data: { type: "string" }, port: { type: "string", default: "0" } },
});
if (values.data === undefined) throw new Error("--data DIR is missing: the folder below which mail is kept");

const mail = await startMail({ dataDir: values.data, port: Number(values.port) });
endWithParent(() => mail.stop());
console.log(JSON.stringify({ url: mail.url, dir: mail.dir, pid: process.pid }));
