import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { expect, test } from "vitest";
import { webhookEvents } from "../../examples/demo/webhooks.ts";
import { chatDay } from "../../examples/demo/chat-day.ts";
import { isAlive } from "../../local/processes.ts";
import type { DevFile } from "../../local/dev-file.ts";
import { useStack } from "../support/stack.ts";

const WRITERS = 8;
const LOAD_MS = 12_000;
const KILLS = 6;
const RETRY_MS = 100;
const REQUEST_TIMEOUT_MS = 5_000;
const SEED = Number(process.env.FAULT_SEED ?? Date.now() % 100_000);

const stack = useStack();

/** Sends until it is acknowledged, as a client with a natural key may: any failure leaves the outcome unknown. */
async function untilAcknowledged(
  dev: () => DevFile,
  method: string,
  route: string,
  body: object,
): Promise<void> {
  for (;;) {
    try {
      const response = await fetch(`${dev().url}/api${route}`, {
        method,
        headers: { authorization: `Bearer ${dev().apiKey}`, "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      await response.arrayBuffer();
      if (response.ok) return;
      if (response.status < 500) throw new Error(`refused with ${response.status}`);
    } catch (error) {
      if (error instanceof Error && error.message.startsWith("refused")) throw error;
    }
    await sleep(RETRY_MS);
  }
}

/** A part that an earlier kill ended may not be back yet. */
function kill(pid: number): void {
  if (isAlive(pid)) process.kill(pid, "SIGKILL");
}

test(`every event and trail acknowledged under load with kill -9 is stored exactly once (seed ${SEED})`, async () => {
  let running = await stack.start(["--port", "0"]);
  const devFile = path.join(stack.dataDir, "dev.json");
  const dev = () => running.dev;
  const payloads = webhookEvents();
  const messages = chatDay(5_000, SEED, new Date());
  const acknowledged = { events: new Set<string>(), trails: new Set<string>() };
  const deadline = Date.now() + LOAD_MS;
  let next = 0;

  const writer = async () => {
    while (Date.now() < deadline) {
      const n = next++;
      const eventId = `load-${SEED}-${n}`;
      const event = { ...payloads[n % payloads.length], eventId, workspaceId: `ws-${n % 7}` };
      await untilAcknowledged(dev, "POST", "/audit/log", event);
      acknowledged.events.add(eventId);
      const { messageId, placeholder, completion } = messages[
        n % messages.length
      ] as (typeof messages)[number];
      await untilAcknowledged(dev, "PUT", `/trails/${messageId}`, { ...placeholder, ...completion });
      acknowledged.trails.add(messageId);
    }
  };
  const killer = async () => {
    for (let i = 0; i < KILLS; i++) {
      await sleep(LOAD_MS / (KILLS + 1));
      const { pids } = JSON.parse(readFileSync(devFile, "utf8")) as DevFile;
      if (i === KILLS - 1) {
        for (const pid of Object.values(pids)) kill(pid);
        running = await stack.start(["--port", "0"]);
      } else {
        kill(pids[i % 2 === 0 ? "api" : "postgres"] as number);
      }
    }
  };
  await Promise.all([killer(), ...Array.from({ length: WRITERS }, writer)]);

  const client = new pg.Client({ connectionString: running.dev.superuserDatabaseUrl ?? "" });
  await client.connect();
  const events = await client.query<{ id: string; n: number }>(
    "select event_id as id, count(*)::int as n from audit.audit_events where event_id like $1 group by 1",
    [`load-${SEED}-%`],
  );
  const trails = await client.query<{ id: string; n: number }>(
    "select message_id as id, count(*)::int as n from audit.audit_trails group by 1",
  );
  await client.end();
  await running.end("SIGINT");
  expect(acknowledged.events.size).toBeGreaterThan(KILLS);
  expect(events.rows.filter((row) => row.n !== 1)).toEqual([]);
  expect(trails.rows.filter((row) => row.n !== 1)).toEqual([]);
  const stored = new Set([...events.rows, ...trails.rows].map((row) => row.id));
  expect([...acknowledged.events, ...acknowledged.trails].filter((id) => !stored.has(id))).toEqual([]);
  console.log(
    `${acknowledged.events.size} events, ${acknowledged.trails.size} trails, ${KILLS} kills, seed ${SEED}`,
  );
}, 120_000);
