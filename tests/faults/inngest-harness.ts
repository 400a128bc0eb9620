import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { quietPort } from "../support/ports.ts";
import { judge, type Verdict } from "./inngest-judge.ts";
import { randomFrom } from "./random.ts";
import { Victim } from "./victim.ts";

const READY_TIMEOUT_MS = 30_000;
const PAUSE_MIN_MS = 100;
const PAUSE_MAX_MS = 700;
const DOWN_MAX_MS = 300;
/** How often the next kill does not wait until what was killed is up again. */
const IMPATIENCE = 0.15;
const ORDERS_OPEN_MAX = 12;
const ORDER_PAUSE_MS = 250;
const SENT_TWICE = 0.2;
const SEND_TIMEOUT_MS = 3_000;
const SEND_RETRY_MS = 50;
const SETTLE_TIMEOUT_MS = 90_000;
const BACKOFF_MS = "100,200,400,800,1000";

export interface KillOptions {
  /** An empty database on a server that stays up. */
  databaseUrl: string;
  kills: number;
  seed: number;
  progress?(line: string): void;
}

/**
 * Kills executor and function host again and again while orders come in, then lets everything settle and
 * compares what the host did with what the engine had stored.
 */
export async function runKills(options: KillOptions): Promise<Verdict & { crashes: string[] }> {
  const random = randomFrom(options.seed);
  const database = new pg.Pool({ connectionString: options.databaseUrl, max: 4 });
  database.on("error", () => {});
  await createTables(database);
  const stage = await openStage(options.databaseUrl);
  try {
    const killing = new AbortController();
    const sending = sendOrders(stage.url, database, options.seed, killing.signal);
    await killRandomly(stage, options, random).finally(() => killing.abort());
    const accepted = await sending;
    const settled = await settle(database);
    if (!settled) options.progress?.("not all runs ended in time");
    return {
      ...(await judge(database, accepted)),
      crashes: [...stage.executor.crashes, ...stage.host.crashes],
    };
  } finally {
    await Promise.all([stage.executor.end(), stage.host.end()]);
    await database.end();
  }
}

interface KillStage {
  url: string;
  executor: Victim;
  host: Victim;
}

async function openStage(databaseUrl: string): Promise<KillStage> {
  const [executorPort, hostPort] = [await quietPort(), await quietPort()];
  const url = `http://127.0.0.1:${executorPort}`;
  const appUrl = `http://127.0.0.1:${hostPort}/api/inngest`;
  const executor = new Victim("local/inngest/main.ts", [
    `--database-url=${databaseUrl}`,
    `--port=${executorPort}`,
    `--app-url=${appUrl}`,
    `--retry-backoff-ms=${BACKOFF_MS}`,
  ]);
  const host = new Victim("tests/faults/inngest-host.ts", [String(hostPort), databaseUrl], {
    INNGEST_DEV: url,
  });
  await Promise.all([executor.start(), host.start()]);
  await registered(url);
  return { url, executor, host };
}

async function registered(url: string): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    const { functions } = (await (await fetch(`${url}/dev`)).json()) as { functions: unknown[] };
    if (functions.length > 0) return;
    if (Date.now() > deadline) throw new Error("The function host did not register");
    await sleep(SEND_RETRY_MS);
  }
}

async function killRandomly(stage: KillStage, options: KillOptions, random: () => number): Promise<void> {
  let kills = 0;
  while (kills < options.kills) {
    await sleep(PAUSE_MIN_MS + random() * (PAUSE_MAX_MS - PAUSE_MIN_MS));
    const choice = random();
    const victims =
      choice < 0.1 ? [stage.executor, stage.host] : choice < 0.6 ? [stage.executor] : [stage.host];
    for (const victim of victims) kills += (await victim.kill()) ? 1 : 0;
    await sleep(random() * DOWN_MAX_MS);
    const starts = Promise.all(victims.map((victim) => victim.start()));
    if (random() >= IMPATIENCE) await starts;
    else starts.catch(() => {});
    if (kills % 20 < victims.length) options.progress?.(`${kills} kills`);
  }
  await Promise.all([stage.executor.start(), stage.host.start()]);
}

/**
 * Sends orders until the killing is over, each until it was acknowledged, some twice. Not too many at a
 * time: on a slow machine no call would end between two kills, and attempts would run out. Returns the keys.
 */
async function sendOrders(
  url: string,
  database: pg.Pool,
  seed: number,
  signal: AbortSignal,
): Promise<string[]> {
  const random = randomFrom(seed + 1);
  const keys: string[] = [];
  while (!signal.aborted) {
    const { rows } = await database.query<{ open: number }>(
      "select count(*)::int as open from inngest.runs where status = 'Running' and function_id = 'kill-order'",
    );
    if ((rows[0]?.open ?? 0) < ORDERS_OPEN_MAX) {
      const key = `order-${seed}-${keys.length}`;
      await sendOrder(url, key);
      if (random() < SENT_TWICE) await sendOrder(url, key);
      keys.push(key);
    }
    await sleep(ORDER_PAUSE_MS);
  }
  return keys;
}

async function sendOrder(url: string, key: string): Promise<void> {
  for (;;) {
    try {
      const response = await fetch(`${url}/e/test`, {
        method: "POST",
        body: JSON.stringify({ name: "kill/order", id: key, data: { key } }),
        signal: AbortSignal.timeout(SEND_TIMEOUT_MS),
      });
      if (response.status === 200) return;
    } catch {
      // Killed before it answered: the same id makes sending again harmless.
    }
    await sleep(SEND_RETRY_MS);
  }
}

async function settle(database: pg.Pool): Promise<boolean> {
  const deadline = Date.now() + SETTLE_TIMEOUT_MS;
  while (Date.now() < deadline) {
    const { rows } = await database.query<{ open: boolean }>(
      `select exists (select from inngest.runs where status = 'Running')
       or exists (select from inngest.events where handled_at is null) as open`,
    );
    if (!rows[0]?.open) return true;
    await sleep(200);
  }
  return false;
}

async function createTables(database: pg.Pool): Promise<void> {
  await database.query(`
    create schema kill;
    create table kill.executions (
      id bigint generated always as identity primary key,
      run_id text not null,
      step text not null,
      key text not null,
      began_at timestamptz not null default clock_timestamp()
    );
    create index on kill.executions (run_id, step);
    create table kill.effects (key text, step text, primary key (key, step));
    create table kill.ledger (applied bigint not null);
    insert into kill.ledger values (0);
  `);
}
