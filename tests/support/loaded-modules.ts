import fs from "node:fs";
import { createRequire, register } from "node:module";

// Answers one request in a process of its own, then prints which packages were loaded on the way.
const list = process.env.TEST_MODULE_LIST as string;
fs.writeFileSync(list, "");
const hook = `
  import fs from "node:fs";
  export async function load(url, context, next) {
    fs.appendFileSync(${JSON.stringify(list)}, url + "\\n");
    return next(url, context);
  }`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);

const { createApp } = await import("../../api/_http/create-app.ts");
const { readEnv } = await import("../../lib/env.ts");
const { createRuntime } = await import("../../services/runtime.ts");

const runtime = createRuntime(readEnv());
await createApp(runtime).request("http://localhost/api/health");
await runtime.close();
const required = Object.keys(createRequire(import.meta.url).cache);
const urls = [...fs.readFileSync(list, "utf8").split("\n"), ...required];
const packages = urls.flatMap(
  (url) => /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules)/.exec(url)?.[1] ?? [],
);
console.log(JSON.stringify([...new Set(packages)]));
process.exit();
