import pg from "pg";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf, type Log } from "./log.ts";

/** Held by the one executor that works on a database. */
const EXECUTOR_LOCK = 4_711_002;
const RETRY_MS = 200;
const CONNECT_TIMEOUT_MS = 3_000;
const SAY_AFTER_MS = 3_000;

/**
 * Keeps a session advisory lock for as long as the executor lives, so that no two work on one database.
 * The lock goes with the process, whatever ends it; after a restart of Postgres it is taken again.
 */
export class Leader {
  #connectionString: string;
  #log: Log;
  #onGained: () => Promise<void>;
  #client: pg.Client | undefined;
  #held = false;
  #stopped = false;
  #loop: Promise<void> | undefined;

  /** `onGained` runs each time the lock was taken, before `held` says so. */
  constructor(connectionString: string, log: Log, onGained: () => Promise<void>) {
    this.#connectionString = connectionString;
    this.#log = log;
    this.#onGained = onGained;
  }

  get held(): boolean {
    return this.#held;
  }

  start(): void {
    this.#loop = this.#keep();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#held = false;
    await this.#client?.end().catch(() => {});
    await this.#loop;
  }

  async #keep(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#holdOnce();
      } catch (error) {
        if (!this.#stopped) this.#log("warn", "the database is away", { error: messageOf(error) });
      }
      this.#held = false;
      if (!this.#stopped) await sleep(RETRY_MS);
    }
  }

  /** Returns or throws when the lock's connection has ended. */
  async #holdOnce(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#connectionString,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      application_name: "afterimage-inngest-lock",
    });
    this.#client = client;
    const ended = new Promise<void>((resolve) => {
      client.on("error", () => resolve());
      client.on("end", () => resolve());
    });
    try {
      await client.connect();
      await this.#takeLock(client);
      if (this.#stopped) return;
      await this.#onGained();
      this.#held = true;
      await ended;
    } finally {
      this.#held = false;
      await client.end().catch(() => {});
    }
  }

  async #takeLock(client: pg.Client): Promise<void> {
    const since = Date.now();
    for (let said = false; !this.#stopped; await sleep(RETRY_MS)) {
      const { rows } = await client.query<{ taken: boolean }>("select pg_try_advisory_lock($1) as taken", [
        EXECUTOR_LOCK,
      ]);
      if (rows[0]?.taken) return;
      if (!said && Date.now() - since > SAY_AFTER_MS) {
        said = true;
        this.#log("warn", "another executor works on this database; waiting for it to end");
      }
    }
  }
}
