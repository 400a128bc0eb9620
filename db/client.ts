import { noTracing, type Tracing } from "../lib/tracing.ts";
import { connectNeon } from "./drivers/neon.ts";
import { connectPg } from "./drivers/pg.ts";
import type { Db } from "./drivers/transactions.ts";

export type { Db } from "./drivers/transactions.ts";

const CONNECT_TIMEOUT_MS = 3_000;
const IDLE_TIMEOUT_MS = 10_000;
// The server's own statement_timeout (10 s for the API, 60 s for workflows) ends a statement sooner; these end the wait
// when the server is gone without a word.
export const API_QUERY_TIMEOUT_MS = 12_000;
export const WORKER_QUERY_TIMEOUT_MS = 70_000;
const NEON_HOST = /\.neon\.(tech|build)$/i;

export interface Database {
  db: Db;
  /** Which driver serves it; queries cannot tell. */
  driver: "pg" | "neon";
  close(): Promise<void>;
  /** Open connections and callers that wait for one. */
  connections(): { total: number; idle: number; waiting: number };
}

interface ConnectOptions {
  /** Connections at most; 1 unless said. */
  poolSize?: number;
  /** How long a query may go unanswered. */
  queryTimeoutMs?: number;
  /** host:port of a stand-in for Neon's proxy. */
  neonProxy?: string | undefined;
  /** Makes each statement a span; none unless said. */
  tracing?: Tracing;
}

export interface PoolOptions {
  connectionString: string;
  max: number;
  connectionTimeoutMillis: number;
  idleTimeoutMillis: number;
  query_timeout: number;
  application_name: string;
  allowExitOnIdle: boolean;
}

/**
 * Connects lazily, by Neon's driver when the URL names a host of Neon's or the local proxy (`neonProxy`, host:port), else
 * by `pg`. A lost connection is dropped and the next query opens another.
 */
export function connect(
  url: string,
  {
    poolSize = 1,
    queryTimeoutMs = API_QUERY_TIMEOUT_MS,
    neonProxy,
    tracing = noTracing,
  }: ConnectOptions = {},
): Database {
  const options: PoolOptions = {
    connectionString: url,
    max: poolSize,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    query_timeout: queryTimeoutMs,
    application_name: "afterimage",
    allowExitOnIdle: true,
  };
  const { host, hostname } = addressOf(url);
  if (neonProxy !== undefined && host === neonProxy) return connectNeon(options, tracing, neonProxy);
  return NEON_HOST.test(hostname) ? connectNeon(options, tracing) : connectPg(options, tracing);
}

/** A URL that only `pg` can read, such as one of a Unix socket, is no URL of Neon's. */
function addressOf(url: string): { host: string; hostname: string } {
  return URL.canParse(url) ? new URL(url) : { host: "", hostname: "" };
}
