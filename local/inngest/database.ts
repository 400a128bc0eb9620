import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Log } from "./log.ts";

const POOL_SIZE = 8;
const CONNECT_TIMEOUT_MS = 3_000;
const STATEMENT_TIMEOUT_MS = 30_000;
const START_PATIENCE_MS = 30_000;
const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 1_000;
/** Serialises executors that create the tables at the same moment. */
const SCHEMA_LOCK = 4_711_001;

type Row = Record<string, unknown>;

/** One transaction, or the pool itself: both run a statement and hand back its rows. */
export interface Session {
  rows<T extends pg.QueryResultRow = Row>(sql: string, values?: unknown[]): Promise<T[]>;
}

/**
 * The executor's connections. A server that restarts must never end the process, so every piece of work
 * is a transaction that can be repeated, and is, until `patienceMs` is over or `close` was called.
 */
export class Database {
  #pool: pg.Pool;
  #closed = false;

  constructor(connectionString: string, log: Log) {
    this.#pool = new pg.Pool({
      connectionString,
      max: POOL_SIZE,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      keepAlive: true,
      application_name: "afterimage-inngest",
    });
    this.#pool.on("error", (error) =>
      log("warn", "an idle database connection broke", { error: error.message }),
    );
  }

  /** Creates the tables when they are missing. Throws when the server stays away for START_PATIENCE_MS. */
  async migrate(): Promise<void> {
    const sql = readFileSync(new URL("./schema.sql", import.meta.url), "utf8");
    await this.transaction(async (session) => {
      await session.rows("select pg_advisory_xact_lock($1)", [SCHEMA_LOCK]);
      await session.rows(sql);
    }, START_PATIENCE_MS);
  }

  /** One read. Throws at once when the server is away. */
  async rows<T extends pg.QueryResultRow = Row>(sql: string, values: unknown[] = []): Promise<T[]> {
    return (await this.#pool.query<T>(sql, values)).rows;
  }

  /**
   * Runs `work` in a transaction, again after a deadlock or a lost connection. `work` must bear being run
   * twice, also after a commit whose answer was lost. Throws the last error once `patienceMs` is over.
   */
  async transaction<T>(work: (session: Session) => Promise<T>, patienceMs = Infinity): Promise<T> {
    const deadline = Date.now() + patienceMs;
    for (let wait = RETRY_FIRST_MS; ; wait = Math.min(wait * 2, RETRY_MAX_MS)) {
      try {
        return await this.#attempt(work);
      } catch (error) {
        if (this.#closed || !isTransient(error) || Date.now() + wait > deadline) throw error;
        await sleep(wait);
      }
    }
  }

  async #attempt<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    // Without a listener, a connection that breaks between two statements would end the process.
    const ignore = () => {};
    client.on("error", ignore);
    try {
      await client.query("begin");
      const result = await work({ rows: async (sql, values) => (await client.query(sql, values)).rows });
      await client.query("commit");
      client.off("error", ignore);
      client.release();
      return result;
    } catch (error) {
      const broken = await client.query("rollback").then(
        () => false,
        () => true,
      );
      client.off("error", ignore);
      client.release(broken);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#pool.end();
  }
}

const TRANSIENT_SQLSTATES = new Set([
  "40001",
  "40P01",
  "55P03",
  "53300",
  "25006",
  "57P01",
  "57P02",
  "57P03",
  "57014",
]);
const TRANSIENT_NODE_CODES = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOTCONN"]);
const TRANSIENT_MESSAGE = /connection terminated|timeout exceeded when trying to connect|connection error/i;

/** Whether the same work may succeed when it is tried again: deadlocks and a server that went away. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (TRANSIENT_SQLSTATES.has(code) || TRANSIENT_NODE_CODES.has(code) || code.startsWith("08")) return true;
  if (error instanceof AggregateError) return error.errors.some(isTransient);
  return TRANSIENT_MESSAGE.test(error.message);
}
