import fs from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundleFolder, bundleService, startService, type Service } from "../faults/client-service.ts";
import { runClient, type ClientResult } from "../faults/client-run.ts";
import { randomFrom } from "../faults/random.ts";
import { mintKey, newId } from "../support/api.ts";
import { useDatabase } from "../support/database.ts";

/** In each mode; `npm run faults -- --client N` writes thousands. */
const MESSAGES = 200;
const CALLERS = 32;
const TEST_MS = 120_000;
const SEED = Number(process.env.FAULT_SEED ?? Date.now() % 100_000);

const db = useDatabase();
const folder = bundleFolder();
let service: Service;
beforeAll(async () => {
  await bundleService(folder);
  service = await startService(folder, db.serviceEnv());
});
afterAll(async () => {
  await service.close();
  fs.rmSync(folder, { recursive: true });
});

const run = async (mode: "required" | "buffered"): Promise<ClientResult> =>
  runClient(service, {
    run: newId("run"),
    apiKey: await mintKey(db),
    mode,
    ending: "drained",
    messages: MESSAGES,
    callers: CALLERS,
    random: randomFrom(SEED),
    rows: (text, values) => db.rows("superuser", text, values),
  });

test(
  `required: while the service is killed, slowed, cut and answers 500, what is acknowledged is stored once (seed ${SEED})`,
  { timeout: TEST_MS },
  async () => {
    const { problems, ...result } = await run("required");
    expect(problems).toEqual([]);
    // A suite that hits nothing, or in which nothing gets through, would show nothing.
    expect(result.misfortunes.get("kill")).toBeGreaterThan(0);
    expect(result.retries).toBeGreaterThan(result.written / 20);
    expect(result.dropped).toBeLessThan(result.written / 4);
  },
);

test(
  `buffered: meanwhile what is stored and what is reported as dropped are what was written (seed ${SEED})`,
  { timeout: TEST_MS },
  async () => {
    const { problems, ...result } = await run("buffered");
    expect(problems).toEqual([]);
    expect(result.retries).toBeGreaterThan(0);
    expect(result.stored.trails.length).toBeGreaterThan(MESSAGES / 20);
  },
);
