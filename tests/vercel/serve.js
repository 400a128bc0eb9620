import { serve } from "@hono/node-server";
import { pathToFileURL } from "node:url";

// Answers requests by one built function, as its platform does: `node tests/vercel/serve.js <handler>`.
const handlerUrl = pathToFileURL(process.argv[2]).href;
const started = performance.now();
const { default: handler } = await import(handlerUrl);
const importMs = Math.round(performance.now() - started);
serve({ fetch: (request) => handler.fetch(request), hostname: "127.0.0.1", port: 0 }, ({ port }) =>
  console.log(JSON.stringify({ url: `http://127.0.0.1:${port}`, importMs })),
);
