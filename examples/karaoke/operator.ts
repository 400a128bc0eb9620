import { setTimeout as sleep } from "node:timers/promises";
import { connectApi, type Api } from "../demo/api.ts";
import { command, say, table } from "./tell.ts";

const POLL_MS = 250;
const POLLS_MAX = 240;
const UNDER_WAY = ["running", "rolling_back"];

export interface Plan {
  id: string;
  digest: string;
  status: string;
  itemCount: number;
  tables: { name: string; insert: number; update: number; delete: number }[];
  problems: { severity: string; code: string; message: string }[];
}

export interface Run extends Plan {
  error: string | null;
  progressPercent: number;
  appliedCount: number;
  skippedCount: number;
  steps: { step: string; attempt: number; outcome: string | null; detail: unknown }[];
  report: {
    effects: Record<string, { count: number }>;
    verification: {
      ok: boolean;
      differences: Record<string, number>;
      cache: { absent: number; repopulated: number; staleCount: number };
      checks: { url: string; status?: number }[];
    } | null;
  } | null;
}

export interface Item {
  table: string;
  recordId: string;
  action: string;
  origin: string;
  conflict: string | null;
  outcome: string | null;
  changes: Record<string, { now: unknown; restored: unknown }>;
}

/** Someone with an API key who restores things, saying what is asked and what comes back. */
export class Operator {
  readonly #api: Api;

  constructor(url: string, apiKey: string) {
    this.#api = connectApi(url, apiKey);
  }

  get<T>(path: string): Promise<T> {
    command(`GET /api${path}`);
    return this.#api.send<T>("GET", path);
  }

  async preview(target: unknown, reason: string, options: unknown = {}): Promise<Plan> {
    command(`POST /api/restores/preview ${JSON.stringify({ target, options, reason })}`);
    const plan = await this.#api.send<Plan>("POST", "/restores/preview", { target, options, reason });
    table(plan.tables);
    for (const { severity, code, message } of plan.problems) say(`${severity} ${code}: ${message}`);
    if (plan.problems.length === 0) say("Nothing stands in its way.");
    return plan;
  }

  items = async (id: string): Promise<Item[]> =>
    (await this.#api.send<{ items: Item[] }>("GET", `/restores/${id}/items?limit=1000`)).items;

  async start({ id, digest }: Plan): Promise<Run> {
    command(`POST /api/restores {"planId":"${id}","digest":"${digest.slice(0, 8)}…"}`);
    return this.#api.send<Run>("POST", "/restores", { planId: id, digest });
  }

  async approve(id: string, note: string): Promise<void> {
    command(`POST /api/restores/${id}/approve ${JSON.stringify({ note })}`);
    await this.#api.send("POST", `/restores/${id}/approve`, { note });
  }

  async rollback(id: string, reason: string): Promise<Run> {
    command(`POST /api/restores/${id}/rollback ${JSON.stringify({ reason })}`);
    return this.#api.send<Run>("POST", `/restores/${id}/rollback`, { reason });
  }

  /** Follows a restore to its end and says each step as it is done. */
  async follow(id: string): Promise<Run> {
    command(`GET /api/restores/${id}`);
    const said = new Set<string>();
    for (let n = 0; n < POLLS_MAX; n++) {
      const run = await this.#api.send<Run>("GET", `/restores/${id}`);
      for (const { step, attempt, outcome } of run.steps) {
        const line = `${step}${attempt > 1 ? `, attempt ${attempt}` : ""}: ${outcome}`;
        if (outcome !== null && !said.has(line)) say(line);
        if (outcome !== null) said.add(line);
      }
      if (!UNDER_WAY.includes(run.status)) {
        say(`It ended: ${run.status}. ${run.error ?? ""}`.trimEnd());
        return run;
      }
      await sleep(POLL_MS);
    }
    throw new Error(`The restore ${id} did not end in time.`);
  }
}
