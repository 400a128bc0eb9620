import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll } from "vitest";
import { createApp } from "../../api/_http/create-app.ts";
import type { RuntimeOverrides } from "../../services/runtime.ts";
import { caller, mintKey, type Answer, type Call } from "./api.ts";
import { useDatabase, type TestDatabase } from "./database.ts";
import { useWorkflows, type TestWorkflows } from "./workflows.ts";

/** Longer than a test may take. */
const POLLS_MAX = 4_800;
const POLL_MS = 25;
const UNDER_WAY = ["running", "awaiting_approval", "rolling_back"];

export interface RestoreStage {
  db: TestDatabase;
  flows: TestWorkflows;
  call: Call;
  /** Rows of SQL run as the application, which owns its tables. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  preview(target: unknown, options?: unknown): Promise<Answer>;
  /** Starts a restore and follows it to its end. */
  restore(target: unknown, options?: unknown): Promise<Answer["body"]>;
  ended(id: string): Promise<Answer["body"]>;
  items(id: string): Promise<Answer["body"][]>;
}

/** API and workflows on a database of this test file's own. */
export function useRestores(
  overrides: RuntimeOverrides = {},
  env: Record<string, string> = {},
): RestoreStage {
  const db = useDatabase();
  const flows = useWorkflows(db, env, overrides);
  const stage = { db, flows } as RestoreStage;
  beforeAll(async () => {
    stage.call = caller(createApp(flows.runtime), await mintKey(db));
  });
  stage.sql = (text, values) => db.rows("admin", text, values);
  stage.preview = (target, options = {}) =>
    stage.call("POST", "/restores/preview", { body: { target, options, reason: "test" } });
  stage.restore = async (target, options = {}) => {
    const started = await stage.call("POST", "/restores", { body: { target, options, reason: "test" } });
    if (started.status !== 202) throw new Error(JSON.stringify(started.body));
    return stage.ended(started.body.id);
  };
  stage.ended = async (id) => {
    for (let n = 0; n < POLLS_MAX; n++) {
      const { body } = await stage.call("GET", `/restores/${id}`);
      if (!UNDER_WAY.includes(body.status)) return body;
      await sleep(POLL_MS);
    }
    throw new Error(`restore ${id} did not end`);
  };
  stage.items = async (id) => (await stage.call("GET", `/restores/${id}/items?limit=1000`)).body.items;
  return stage;
}
