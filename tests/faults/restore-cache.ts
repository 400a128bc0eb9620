import { setTimeout as sleep } from "node:timers/promises";
import { schemaOf } from "./restore-config.ts";
import type { Stage } from "./restore-stage.ts";

const RETRY_MS = 50;
const TRIES_MAX = 200;
const SCAN_COUNT = 10_000;

interface Where {
  lane: number;
  run: string;
}

/**
 * What the application does that reads rows: it caches each whose key holds nothing. `when` marks the values, so that one
 * from before the restore is told from one that was read again.
 */
export async function fillCache(stage: Stage, where: Where, when: string): Promise<void> {
  const values = [...(await cacheable(stage, where))];
  await patiently(async () => {
    const pipeline = stage.redis.pipeline();
    for (const [key, row] of values) pipeline.set(key, `${when} ${row}`, { nx: true });
    if (values.length > 0) await pipeline.exec();
  });
}

export interface CacheState {
  /** Keys that still hold what was there before the restore. */
  kept: string[];
  /** Keys that were read again since, and hold what no row is like. */
  stale: string[];
}

export async function readCache(stage: Stage, where: Where): Promise<CacheState> {
  const rows = await cacheable(stage, where);
  const held = await patiently(() => heldKeys(stage, where.run));
  const name = (key: string) => key.replace(`:${where.run}:`, ":");
  const kept = [...held].filter(([, value]) => value.startsWith("before ")).map(([key]) => name(key));
  const stale = [...held]
    .filter(
      ([key, value]) => !value.startsWith("before ") && value.slice(value.indexOf(" ") + 1) !== rows.get(key),
    )
    .map(([key]) => name(key));
  return { kept: kept.sort(), stale: stale.sort() };
}

async function heldKeys(stage: Stage, run: string): Promise<Map<string, string>> {
  const held = new Map<string, string>();
  for (let cursor = "0"; ;) {
    const [next, keys] = await stage.redis.scan(cursor, { match: `*:${run}:*`, count: SCAN_COUNT });
    const values = keys.length === 0 ? [] : await stage.redis.mget<(string | null)[]>(...keys);
    keys.forEach((key, i) => held.set(key, values[i] ?? ""));
    cursor = String(next);
    if (cursor === "0") return held;
  }
}

/** Each row's keys, and what they are to hold. */
async function cacheable(stage: Stage, { lane, run }: Where): Promise<Map<string, string>> {
  const schema = schemaOf(lane);
  const found = await stage.sql(
    `select format(k, $1::text, id) as key, (image - 'updated_at' - 'run')::text as row
     from (
       select 'owner:%s:%s' as k, id, to_jsonb(o) as image from ${schema}.owners o
       union all select 'list:%s:%s:1', id, to_jsonb(o) from ${schema}.owners o
       union all select 'venue:%s:%s', id, to_jsonb(v) from ${schema}.venues v
       union all select 'other:%s:%s', id, to_jsonb(v) from ${schema}.venues v where id < 5
     ) x`,
    [run],
  );
  return new Map(found.map(({ key, row }) => [key as string, row as string]));
}

async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let n = 1; ; n++) {
    try {
      return await work();
    } catch (error) {
      if (n === TRIES_MAX) throw error;
      await sleep(RETRY_MS);
    }
  }
}
