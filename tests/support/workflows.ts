import { serve as listen } from "@hono/node-server";
import { serve } from "inngest/edge";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, vi } from "vitest";
import { workflows } from "../../functions/index.ts";
import { readEnv } from "../../lib/env.ts";
import { createInngest } from "../../lib/inngest.ts";
import { createLogger } from "../../lib/logger.ts";
import { startInngest, type InngestServer } from "../../local/inngest/index.ts";
import { createRuntime, type Runtime, type RuntimeOverrides } from "../../services/runtime.ts";
import type { Call } from "./api.ts";
import { assertDriver, type TestDatabase } from "./database.ts";

const RETRY_BACKOFF_MS = [50];
const REGISTERED_TIMEOUT_MS = 20_000;
const POLL_MS = 50;
/** Longer than a test may take. */
const POLLS_MAX = 2_400;

export interface TestWorkflows {
  runtime: Runtime;
  engine: InngestServer;
}

export interface Run {
  id: string;
  status: string;
  result: Record<string, unknown> | null;
  error: string | null;
}

/** Asks for jobs by HTTP and follows their Location to the end. */
export function jobRunner(call: Call) {
  const ended = async (path: string): Promise<Run> => {
    for (let i = 0; i < POLLS_MAX; i++) {
      const { body } = await call("GET", path);
      if (body.status !== "requested" && body.status !== "running") return body as Run;
      await sleep(POLL_MS);
    }
    throw new Error(`${path} did not end`);
  };
  const runJob = async (jobId: string): Promise<Run> => {
    const { status, headers } = await call("POST", `/jobs/${jobId}/run`);
    expect(status).toBe(202);
    return ended((headers.get("location") ?? "").replace(/^\/api/, ""));
  };
  return { runJob, ended };
}

/** What the clock does: the engine starts the function without an event of ours. */
export async function tick({ engine }: TestWorkflows, jobId: string): Promise<void> {
  const response = await fetch(`${engine.url}/invoke/afterimage-${jobId}`, { method: "POST", body: "{}" });
  expect(response.ok).toBe(true);
}

/** All workflows of the service, driven by the local engine over HTTP, on a test file's database. */
export function useWorkflows(
  db: TestDatabase,
  more: Record<string, string> = {},
  overrides: RuntimeOverrides = {},
): TestWorkflows {
  const running = {} as TestWorkflows & { close(): Promise<void> };

  beforeAll(async () => {
    let handler: (request: Request) => Promise<Response> = async () => new Response(null, { status: 503 });
    const server = listen({ hostname: "127.0.0.1", port: 0, fetch: (request) => handler(request) });
    await new Promise((resolve) => server.once("listening", resolve));
    const appUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/inngest`;
    running.engine = await startInngest({
      databaseUrl: db.url("admin"),
      appUrls: [appUrl],
      retryBackoffMs: RETRY_BACKOFF_MS,
      log: () => undefined,
    });
    const log = createLogger("silent");
    const inngest = createInngest(log, running.engine.url);
    const env = readEnv({ ...db.serviceEnv(), ...more });
    running.runtime = createRuntime(env, { inngest, log, ...overrides });
    assertDriver(running.runtime.worker);
    handler = serve({ client: inngest, functions: workflows(running.runtime), servePath: "/api/inngest" });
    // What is sent before the engine knows the workflows starts none.
    const known = () => db.rows("admin", "select from inngest.functions");
    await vi.waitFor(async () => expect(await known()).not.toHaveLength(0), REGISTERED_TIMEOUT_MS);
    // What the clock does, the tests do themselves, with `tick`: a quarter of an hour may end amid one of them.
    await db.rows("admin", "update inngest.crons set next_at = now() + interval '1 year'");
    running.close = async () => {
      await running.engine.stop();
      await new Promise((resolve) => server.close(resolve));
      await running.runtime.close();
    };
  });
  afterAll(() => running.close());
  return running;
}
