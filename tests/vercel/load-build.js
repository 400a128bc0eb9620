// The functions must load and answer under plain Node: neither the compiler nor Vercel's builder finds out.
import { readdirSync, statSync } from "node:fs";

// Set, not defaulted: where it is built, the variables of the real service may be set.
Object.assign(process.env, {
  DATABASE_URL: "postgresql://nobody@127.0.0.1:9/none",
  WORKER_DATABASE_URL: "",
  UPSTASH_REDIS_REST_URL: "",
  UPSTASH_REDIS_REST_TOKEN: "",
  INNGEST_DEV: "http://127.0.0.1:9",
  LOG_LEVEL: "silent",
});

async function load(name) {
  const started = performance.now();
  const { default: handler } = await import(`../../api/${name}.js`);
  console.log(`api/${name}.js loads in ${Math.round(performance.now() - started)} ms`);
  return (path) => handler.fetch(new Request(`http://localhost${path}`, { headers: { host: "localhost" } }));
}

const dist = new URL("../../dist/", import.meta.url);
const bytes = readdirSync(dist).map((file) => statSync(new URL(file, dist)).size);
console.log(`dist: ${(bytes.reduce((sum, one) => sum + one) / 1e6).toFixed(1)} MB in ${bytes.length} files`);
const api = await load("index");
const inngest = await load("inngest");
const health = await api("/api/health");
const { paths } = await (await api("/api/openapi.json")).json();
const { function_count: workflows } = await (await inngest("/api/inngest")).json();
if (health.status !== 200 || Object.keys(paths).length === 0 || !(workflows > 0)) {
  throw new Error(`the build does not answer: health ${health.status}, workflows ${workflows}`);
}
console.log(`They answer: ${Object.keys(paths).length} paths, ${workflows} workflows.`);
process.exit(0);
