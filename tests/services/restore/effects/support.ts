import { randomUUID } from "node:crypto";
import { Redis } from "@upstash/redis";
import { afterAll, beforeAll } from "vitest";
import { defineConfig } from "../../../../lib/config.ts";
import { readEnv } from "../../../../lib/env.ts";
import type { EventSender } from "../../../../lib/inngest.ts";
import { createLogger } from "../../../../lib/logger.ts";
import { createRedis } from "../../../../lib/redis.ts";
import { startRedis, type LocalRedis } from "../../../../local/redis/index.ts";
import type { RestoreContext } from "../../../../services/restore/context.ts";
import { createRuntime, restoreContext, type Runtime } from "../../../../services/runtime.ts";
import { removeFolder, temporaryFolder } from "../../../local/redis/support.ts";
import { useDatabase, type TestDatabase } from "../../../support/database.ts";

export type ConfigInput = Parameters<typeof defineConfig>[0];
export type Tables = ConfigInput["tables"];

export interface Item {
  table: string;
  action?: "insert" | "update" | "delete";
  recordId?: string;
  live?: Record<string, unknown>;
  target?: Record<string, unknown>;
  columns?: string[];
  outcome?: "applied" | "skipped" | null;
}

export interface Effects {
  db: TestDatabase;
  /** What a step of a restore gets. */
  context(tables: Tables, more?: Partial<RestoreContext>): RestoreContext;
  /** A run that has done with its items what they say; positions count from 1. */
  run(items: Item[]): Promise<string>;
  /** What is noted of a run. */
  notes(runId: string, kind: string): Promise<Note[]>;
}

export interface Note {
  repeat: number;
  name: string;
  is_done: boolean;
  detail: Record<string, unknown>;
}

/** Runs of restores in a database of this test file's own, as their items and outcomes. */
export function useEffects(): Effects {
  const db = useDatabase();
  let runtime: Runtime;
  beforeAll(() => {
    const send: EventSender = async () => undefined;
    runtime = createRuntime(readEnv(db.serviceEnv()), { log: createLogger("silent"), send });
  });
  afterAll(() => runtime.close());
  return {
    db,
    context: (tables, more = {}) => ({
      ...restoreContext(runtime),
      config: defineConfig({ tables }),
      ...more,
    }),
    run: async (items) => {
      const names = [...new Set(items.map((item) => item.table))];
      const relations = new Map(names.map((name, i) => [name, 4_000_000_000 + i]));
      const runId = randomUUID();
      await db.rows(
        "worker",
        `insert into restore_runs (id, status, target, options, reason, digest, tables, problems, item_count, chunk_starts, requested_by_user_id, requested_by_key_id, expires_at)
         values ($1, 'running', '{}', '{}', 'test', 'digest', $2, '[]', $3, '{1}', 'user', $1, now() + interval '1 hour')`,
        [runId, JSON.stringify([...relations].map(([name, relation]) => ({ name, relation }))), items.length],
      );
      const rows = items.map(({ action = "insert", outcome = "applied", ...item }, i) => ({
        position: i + 1,
        action,
        outcome,
        relation: relations.get(item.table),
        record_id: item.recordId ?? String(i + 1),
        live_record_id: action === "insert" ? null : (item.recordId ?? String(i + 1)),
        live: item.live ?? null,
        target: item.target ?? null,
        columns: item.columns ?? null,
      }));
      await db.rows(
        "worker",
        `insert into restore_items (run_id, position, chunk, batch, relation, record_id, live_record_id, action, origin, columns, live, target)
         select $1, position, 0, 0, relation, record_id, live_record_id, action, 'target', columns, live, target
         from jsonb_to_recordset($2) r (position int, relation oid, record_id text, live_record_id text, action text, columns text[], live jsonb, target jsonb)`,
        [runId, JSON.stringify(rows)],
      );
      await db.rows(
        "worker",
        `insert into restore_outcomes (run_id, position, outcome)
         select $1, position, outcome from jsonb_to_recordset($2) r (position int, outcome text) where outcome is not null`,
        [runId, JSON.stringify(rows)],
      );
      return runId;
    },
    notes: (runId, kind) =>
      db.rows(
        "worker",
        'select repeat, name, is_done, detail from restore_effects where run_id = $1 and kind = $2 order by repeat, name collate "C"',
        [runId, kind],
      ),
  };
}

export interface TestRedis {
  /** What the service uses. */
  redis: Redis;
  /** For the test itself: replies as they came. */
  client: Redis;
  at: LocalRedis;
}

/** A Redis of this test file's own: the real server, or the stand-in. */
export function useRedis(forceMemory: boolean): TestRedis {
  const folder = temporaryFolder();
  const used = {} as TestRedis;
  beforeAll(async () => {
    used.at = await startRedis({ dataDir: folder, forceMemory });
    const { url, token } = used.at;
    used.redis = createRedis({ url, token }, { timeoutMs: 10_000, raw: true }) as Redis;
    used.client = new Redis({ url, token, enableTelemetry: false, automaticDeserialization: false });
  });
  afterAll(async () => {
    await used.at?.stop();
    removeFolder(folder);
  });
  return used;
}

/** Every key with its value, in order. */
export async function contents({ client }: TestRedis): Promise<Record<string, string | null>> {
  const keys = (await client.keys("*")).sort();
  const values = keys.length === 0 ? [] : await client.mget<(string | null)[]>(...keys);
  return Object.fromEntries(keys.map((key, i) => [key, values[i] ?? null]));
}
