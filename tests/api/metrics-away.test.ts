import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createApp } from "../../api/_http/create-app.ts";
import { API_QUERY_TIMEOUT_MS } from "../../db/client.ts";
import { readEnv } from "../../lib/env.ts";
import { createLogger } from "../../lib/logger.ts";
import { createAuthenticator } from "../../services/keys/authenticate.ts";
import { createRuntime, type Runtime } from "../../services/runtime.ts";
import { caller, useApi, type Answer } from "../support/api.ts";
import { parseExposition } from "../support/exposition.ts";
import { startProxy, type Proxy } from "../support/proxy.ts";
import { expectProblem } from "./support.ts";

const api = useApi();
/** How long a reading is shared, and what Prometheus waits for a scrape unless told. */
const SHARED_MS = 3_100;
const SCRAPE_TIMEOUT_MS = 10_000;
const unhandled: unknown[] = [];
const note = (error: unknown) => void unhandled.push(error);

let proxy: Proxy;
let runtime: Runtime;

beforeAll(async () => {
  proxy = await startProxy(Number(new URL(api.db.serviceUrl("app")).port));
  const env = readEnv(api.db.serviceEnv((url) => proxy.through(url)));
  const log = createLogger("silent");
  runtime = createRuntime(env, { log, limiter: { check: async () => null }, send: async () => undefined });
  process.on("unhandledRejection", note);
});
afterAll(async () => {
  process.off("unhandledRejection", note);
  await runtime.close();
  await proxy.close();
});
beforeEach(() => proxy.restore());

/** Scrapes one app again and again with a key of its own; its authenticator remembers nothing, as after 15 s. */
async function scraper() {
  const key = await api.mintKey({ scopes: ["metrics:read"] });
  const authenticate: Runtime["authenticate"] = (...args) => createAuthenticator()(...args);
  const app = createApp({ ...runtime, authenticate });
  return { key, app, scrape: () => caller(app, key)("GET", "/metrics") };
}

function expectScraped(answer: Answer, up: 0 | 1): void {
  expect(answer.status).toBe(200);
  const families = parseExposition(answer.body);
  expect(families.get("afterimage_database_up")?.samples[0]?.value).toBe(up);
  expect(families.has("afterimage_http_requests_total")).toBe(true);
  expect(families.has("process_resident_memory_bytes")).toBe(true);
  expect(families.has("afterimage_job_late")).toBe(up === 1);
}

const isUp = (answer: Answer) => /^afterimage_database_up (\d)$/m.exec(answer.body)?.[1];

test.each([
  ["refuses", () => proxy.cut()],
  ["stalls", async () => proxy.stall()],
])(
  "while the database %s, a known key gets the process's numbers within a query's time-out",
  async (_how, away) => {
    const { scrape } = await scraper();
    expectScraped(await scrape(), 1);
    await away();
    // A reading from before is shared for some seconds.
    await expect
      .poll(
        async () => {
          const started = performance.now();
          const answers = await Promise.all(Array.from({ length: 20 }, scrape));
          expect(performance.now() - started).toBeLessThan(API_QUERY_TIMEOUT_MS);
          if (answers.every((answer) => isUp(answer) === "1")) return "not away yet";
          for (const answer of answers) expectScraped(answer, 0);
          return "away";
        },
        { timeout: 20_000, interval: 200 },
      )
      .toBe("away");
    // A stalled connection gives nothing back; it ends, and the next one works.
    await proxy.cut();
    await proxy.restore();
    await expect.poll(async () => isUp(await scrape()), { timeout: 20_000 }).toBe("1");
    expect(unhandled).toEqual([]);
  },
);

test("a database that stops answering within a statement is away before Prometheus gives up", async () => {
  const call = caller(createApp(runtime), await api.mintKey({ scopes: ["metrics:read"] }));
  expectScraped(await call("GET", "/metrics"), 1);
  await sleep(SHARED_MS);
  proxy.stall();
  const started = performance.now();
  expectScraped(await call("GET", "/metrics"), 0);
  expect(performance.now() - started).toBeLessThan(SCRAPE_TIMEOUT_MS);
  await proxy.cut();
});

test("while the database is away, a key that never scraped here, and one that may not, get a 503", async () => {
  const { app, scrape } = await scraper();
  const stranger = await api.mintKey();
  const reader = await api.mintKey({ scopes: ["events:read"] });
  await scrape();
  expectProblem(await caller(app, reader)("GET", "/metrics"), 403, "forbidden");
  await proxy.cut();
  for (const key of [stranger, reader])
    expectProblem(await caller(app, key)("GET", "/metrics"), 503, "unavailable");
  expect((await scrape()).status).toBe(200);
});
