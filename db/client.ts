import { drizzle } from "drizzle-orm/node-postgres";
import type { NodePgQueryResultHKT } from "drizzle-orm/node-postgres";
import type { PgDatabase } from "drizzle-orm/pg-core";
import pg from "pg";
import * as schema from "./schema/index.ts";

const CONNECT_TIMEOUT_MS = 3_000;
const IDLE_TIMEOUT_MS = 10_000;
// The server's own statement_timeout ends a statement sooner; this one ends the wait when the server is gone.
const QUERY_TIMEOUT_MS = 70_000;

/** A database or a transaction of it: services cannot tell which, so they can be composed. */
export type Db = PgDatabase<NodePgQueryResultHKT, typeof schema>;

export interface Database {
  db: Db;
  close(): Promise<void>;
  /** Open connections and callers that wait for one. */
  connections(): { total: number; idle: number; waiting: number };
}

/** Connects lazily; a lost connection is dropped and the next query opens another. */
export function connect(url: string, poolSize: number): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: poolSize,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    application_name: "afterimage",
    allowExitOnIdle: true,
  });
  // An idle connection that the server ends would otherwise end the process.
  pool.on("error", () => undefined);
  return {
    db: drizzle(pool, { schema }),
    close: () => pool.end(),
    connections: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
  };
}
