import { nextTick } from "./crons.ts";
import type { Database, Session } from "./database.ts";
import { evaluate } from "./expressions.ts";
import { sha256 } from "./ids.ts";
import type { Log } from "./log.ts";
import { momentOf } from "./time-strings.ts";
import { functionConfigSchema, registrationSchema, type FunctionConfig } from "./types.ts";

const DEFAULT_RETRIES = 4;

interface RegisteredFunction {
  config: FunctionConfig;
  /** No longer part of its app: runs under way go on, nothing new starts. */
  removed: boolean;
}

/** Which functions exist. The tables are the truth; memory saves a query per event. */
export class Registry {
  #database: Database;
  #log: Log;
  #functions = new Map<string, RegisteredFunction>();
  #checksums = new Map<string, string>();
  #loadedAt: string | null = null;

  constructor(database: Database, log: Log) {
    this.#database = database;
    this.#log = log;
  }

  get(id: string): RegisteredFunction | undefined {
    return this.#functions.get(id);
  }

  active(): FunctionConfig[] {
    return [...this.#functions.values()].filter((fn) => !fn.removed).map((fn) => fn.config);
  }

  triggeredBy(eventName: string): FunctionConfig[] {
    return this.active().filter((config) => config.triggers.some((trigger) => trigger.event === eventName));
  }

  /** Reads the tables again if another executor on them has registered something since. */
  async refresh(): Promise<void> {
    const [row] = await this.#database.rows<{ at: string | null }>(
      "select max(synced_at)::text as at from inngest.apps",
    );
    if (!row || row.at === this.#loadedAt) return;
    this.#checksums.clear();
    await this.load();
  }

  /** Fills memory from the tables, so that runs go on before their app has registered again. */
  async load(): Promise<void> {
    const { at, rows } = await this.#database.transaction(async (session) => {
      const [apps] = await session.rows<{ at: string | null }>(
        "select max(synced_at)::text as at from inngest.apps",
      );
      const functions = await session.rows<{ id: string; config: string; removed: boolean }>(
        `select id, config, removed_at is not null as removed
         from inngest.functions`,
      );
      return { at: apps?.at ?? null, rows: functions };
    });
    this.#loadedAt = at;
    for (const row of rows) {
      const config = functionConfigSchema.parse(JSON.parse(row.config));
      this.#functions.set(row.id, { config, removed: row.removed });
    }
  }

  /**
   * Takes the body of `POST /fn/register`: the app's functions replace those it had.
   * Returns whether anything changed. Throws for a body that is not valid.
   */
  async register(body: unknown, patienceMs: number): Promise<{ modified: boolean }> {
    const app = registrationSchema.parse(body);
    const checksum = sha256(JSON.stringify([app.url, app.functions]));
    if (this.#checksums.get(app.appName) === checksum) return { modified: false };
    for (const fn of app.functions) checkLanguage(fn);
    await this.#database.transaction(async (session) => {
      await session.rows(
        `insert into inngest.apps (id, url, checksum)
         values ($1, $2, $3)
         on conflict (id) do update
         set url = excluded.url, checksum = excluded.checksum, synced_at = clock_timestamp()`,
        [app.appName, app.url, checksum],
      );
      for (const fn of app.functions) await saveFunction(session, app.appName, fn);
      await removeOthers(
        session,
        app.appName,
        app.functions.map((fn) => fn.id),
      );
    }, patienceMs);
    await this.load();
    this.#checksums.set(app.appName, checksum);
    this.#log("info", "an app registered", {
      app: app.appName,
      url: app.url,
      functions: app.functions.length,
    });
    return { modified: true };
  }
}

/** Attempts per step: the retries asked for, and the first try. */
export function maxAttempts(config: FunctionConfig): number {
  return (config.steps.step.retries?.attempts ?? DEFAULT_RETRIES) + 1;
}

/** Throws a SyntaxError, TypeError or RangeError for an expression, cron or time that is not valid. */
function checkLanguage(config: FunctionConfig): void {
  const limits = typeof config.concurrency === "object" ? [config.concurrency ?? []].flat() : [];
  const expressions = [
    ...config.triggers.map((trigger) => trigger.expression),
    ...(config.cancel ?? []).map((cancel) => cancel.if),
    ...limits.map((limit) => limit.key),
    config.idempotency,
  ];
  for (const expression of expressions) if (expression) evaluate(expression, {});
  for (const { cron } of config.triggers) if (cron) nextTick(cron, new Date());
  const times = [
    config.timeouts?.start,
    config.timeouts?.finish,
    ...(config.cancel ?? []).map((c) => c.timeout),
  ];
  for (const time of times) if (time) momentOf(time, new Date());
}

async function saveFunction(session: Session, app: string, config: FunctionConfig): Promise<void> {
  await session.rows(
    `insert into inngest.functions (id, app_id, config)
     values ($1, $2, $3)
     on conflict (id) do update
     set app_id = excluded.app_id, config = excluded.config, removed_at = null`,
    [config.id, app, JSON.stringify(config)],
  );
  const expressions = config.triggers.flatMap((trigger) => trigger.cron ?? []);
  await session.rows(
    `delete from inngest.crons
     where function_id = $1
     and expression <> all($2)`,
    [config.id, expressions],
  );
  for (const expression of expressions) {
    const next = nextTick(expression, new Date());
    if (!next) continue;
    // A tick that is still to come keeps its time: registering again must not skip or repeat it.
    await session.rows(
      `insert into inngest.crons (function_id, expression, next_at)
       values ($1, $2, $3)
       on conflict do nothing`,
      [config.id, expression, next],
    );
  }
}

async function removeOthers(session: Session, app: string, kept: string[]): Promise<void> {
  await session.rows(
    `with removed as (
       update inngest.functions
       set removed_at = now()
       where app_id = $1
       and id <> all($2)
       and removed_at is null
       returning id
     )
     delete from inngest.crons
     where function_id in (select id from removed)`,
    [app, kept],
  );
}
