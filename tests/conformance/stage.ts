import { serve as listen, type ServerType } from "@hono/node-server";
import { Hono } from "hono";
import { Inngest, type Context, type GetStepTools, type InngestFunction } from "inngest";
import { serve } from "inngest/hono";
import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll } from "vitest";
import { startInngest } from "../../local/inngest/index.ts";
import { useEmptyDatabase } from "../local/inngest/empty-database.ts";

/** Inngest's own server when it is named; else this project's executor is started. */
const GIVEN_SERVER = process.env.INNGEST_DEV;
/** Inngest's back-off begins at 15 to 45 s; the executor's is set to RETRY_BACKOFF_MS here. */
export const PATIENCE_MS = GIVEN_SERVER ? 100_000 : 20_000;
const RETRY_BACKOFF_MS = [200];
const POLL_MS = 50;
/** Of a cron that is hurried. Its own time is a day in summer: a tick by the clock beside ours would be a second one. */
export const TICK = GIVEN_SERVER ? "TZ=UTC * * * * *" : "TZ=UTC 0 4 17 6 *";

export type Data = Record<string, string>;

export interface Incoming {
  id?: string;
  name: string;
  data: Data & { [engine: string]: unknown };
}

export interface HandlerContext {
  event: Incoming;
  step: GetStepTools<Inngest.Any>;
  group: Context.Any["group"];
  attempt: number;
  runId: string;
  error?: Error;
}

export type Handler = (context: HandlerContext) => Promise<unknown>;
type Options = Omit<Parameters<Inngest["createFunction"]>[0], "onFailure" | "triggers"> & {
  triggers?: Parameters<Inngest["createFunction"]>[0]["triggers"];
  onFailure?: Handler;
};

export interface RunView {
  run_id: string;
  status: "Running" | "Completed" | "Failed" | "Cancelled";
  /** What the handler returned; else what the server's API shows. */
  output: unknown;
}

/** A function on the stage: started by the event `<app>/<id>` unless it says otherwise. */
export interface Actor {
  id: string;
  event: string;
  /** The function as the SDK knows it, for `step.invoke`. Only there once the tests run. */
  fn(): InngestFunction.Any;
  send(data?: Data, id?: string): Promise<string>;
  /** Sends the event, waits until the run has ended and returns it. */
  run(data?: Data): Promise<RunView>;
}

/**
 * An app of this file's own with a name nobody else has, served over HTTP and registered with the server
 * under test before the file's tests run.
 */
export class Stage {
  readonly app = `conformance-${randomBytes(5).toString("hex")}`;
  #definitions: { id: string; make(client: Inngest): InngestFunction.Any }[] = [];
  #functions = new Map<string, InngestFunction.Any>();
  #client: Inngest | undefined;
  #returned = new Map<string, unknown>();
  url = "";
  /** Makes a cron's next tick due at once where the test can; elsewhere it is up to a minute away. */
  hurryCron: (functionId: string) => Promise<void> = async () => {};

  get client(): Inngest {
    if (!this.#client) throw new Error("The stage is not open yet");
    return this.#client;
  }

  actor(options: Options, handler: Handler): Actor {
    const event = `${this.app}/${options.id}`;
    const config = { triggers: { event }, ...options } as Parameters<Inngest["createFunction"]>[0];
    this.#definitions.push({
      id: options.id,
      // The SDK infers a type per trigger; the stage's events are all of one shape.
      make: (client) => client.createFunction(config, this.#noting(handler) as never),
    });
    const send = (data: Data = {}, id?: string) => this.send(event, data, id);
    return {
      id: options.id,
      event,
      fn: () => this.#functions.get(options.id) as InngestFunction.Any,
      send,
      run: async (data) => this.ended(await this.runOf(await send(data))),
    };
  }

  /** Keeps what a handler returns: servers differ in how their API wraps a run's output. */
  #noting(handler: Handler): Handler {
    return async (context) => {
      const returned = (await handler(context)) ?? null;
      this.#returned.set(context.runId, JSON.parse(JSON.stringify(returned)));
      return returned;
    };
  }

  async send(name: string, data: Data = {}, id?: string): Promise<string> {
    const { ids } = await this.client.send({ name, data, ...(id ? { id } : {}) });
    return ids[0] as string;
  }

  async runsOf(eventId: string): Promise<RunView[]> {
    const response = await fetch(new URL(`/v1/events/${eventId}/runs`, this.url));
    return ((await response.json()) as { data: RunView[] | null }).data ?? [];
  }

  /** The id of the first run that an event started. */
  async runOf(eventId: string): Promise<string> {
    return (await until(async () => (await this.runsOf(eventId))[0])).run_id;
  }

  async ended(runId: string): Promise<RunView> {
    return until(async () => {
      const response = await fetch(new URL(`/v1/runs/${runId}`, this.url));
      const { data } = (await response.json()) as { data?: RunView };
      if (!data || !["Completed", "Failed", "Cancelled"].includes(data.status)) return undefined;
      return this.#returned.has(runId) ? { ...data, output: this.#returned.get(runId) } : data;
    });
  }

  open(url: string): Hono {
    this.url = url;
    const quiet = { info() {}, warn() {}, error() {}, debug() {} };
    this.#client = new Inngest({ id: this.app, isDev: true, baseUrl: url, eventKey: "test", logger: quiet });
    for (const { id, make } of this.#definitions) this.#functions.set(id, make(this.#client));
    const functions = [...this.#functions.values()];
    return new Hono().on(["GET", "PUT", "POST"], "/api/inngest", serve({ client: this.#client, functions }));
  }
}

/** Opens a stage for this file: server under test, app, registration. */
export function useStage(): Stage {
  const stage = new Stage();
  const database = GIVEN_SERVER ? undefined : useEmptyDatabase();
  let server: ServerType | undefined;
  let executor: { url: string; stop(): Promise<void> } | undefined;
  let appUrl = "";

  beforeAll(async () => {
    executor =
      database &&
      (await startInngest({ databaseUrl: database.url(), retryBackoffMs: RETRY_BACKOFF_MS, log() {} }));
    if (database) {
      stage.hurryCron = async (functionId) => {
        await database.rows("update inngest.crons set next_at = now() where function_id = $1", [functionId]);
      };
    }
    const app = stage.open(executor?.url ?? (GIVEN_SERVER as string));
    server = await openHost(app);
    appUrl = urlOf(server);
    const registered = await fetch(appUrl, { method: "PUT" });
    if (!registered.ok) throw new Error(`The app could not register: ${await registered.text()}`);
  });

  afterAll(async () => {
    if (GIVEN_SERVER) await fetch(new URL(`/fn/remove?url=${appUrl}`, GIVEN_SERVER), { method: "DELETE" });
    await executor?.stop();
    await closeHost(server);
  });
  return stage;
}

/** Serves an app on loopback, on any free port unless one is named. */
export async function openHost(app: Hono, port = 0): Promise<ServerType> {
  return new Promise((resolve, reject) => {
    const server = listen({ fetch: app.fetch, hostname: "127.0.0.1", port }, () => resolve(server));
    server.once("error", reject);
  });
}

export async function closeHost(server: ServerType | undefined): Promise<void> {
  if (server && "closeAllConnections" in server) server.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
}

export function urlOf(server: ServerType): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/inngest`;
}

/** Waits until `probe` gives something; throws after PATIENCE_MS. */
export async function until<T>(probe: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error("It did not happen in time");
    await sleep(POLL_MS);
  }
}

/** What handlers did, in order, for tests to look at. */
export class Journal {
  #entries: { key: string; what: string }[] = [];

  note(key: string | undefined, what: string): void {
    this.#entries.push({ key: key ?? "", what });
  }

  of(key: string): string[] {
    return this.#entries.filter((entry) => entry.key === key).map((entry) => entry.what);
  }
}
