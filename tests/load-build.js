// The built entry files must load and answer under plain Node: a compiler accepts imports that Node cannot resolve.
process.env.DATABASE_URL ??= "postgresql://nobody@127.0.0.1:9/none";
process.env.INNGEST_DEV ??= "http://127.0.0.1:9";
process.env.LOG_LEVEL ??= "silent";

const started = performance.now();
const { default: api } = await import("../dist/api/index.js");
const { default: inngest } = await import("../dist/api/inngest.js");
const importMs = Math.round(performance.now() - started);

const health = await api.fetch(new Request("http://localhost/api/health"));
const document = await (await api.fetch(new Request("http://localhost/api/openapi.json"))).json();
const registration = await inngest.fetch(
  new Request("http://localhost/api/inngest", { headers: { host: "localhost" } }),
);
const { function_count: workflows } = await registration.json();
if (health.status !== 200 || Object.keys(document.paths).length === 0 || !(workflows > 0)) {
  throw new Error(`the build does not answer: health ${health.status}, workflows ${workflows}`);
}
console.log(
  `The build loads in ${importMs} ms: ${Object.keys(document.paths).length} paths, ${workflows} workflows.`,
);
process.exit(0);
