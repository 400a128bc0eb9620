import { DrizzleQueryError } from "drizzle-orm";
import type { NodePgQueryResultHKT } from "drizzle-orm/node-postgres";
import type { PgDatabase } from "drizzle-orm/pg-core";

/** A database or a transaction of it: services cannot tell which, so they can be composed. */
export type Db = PgDatabase<NodePgQueryResultHKT>;

interface PooledClient {
  release(destroy?: boolean): void;
  on(event: "error", listener: () => void): unknown;
}

interface ClientPool<C extends PooledClient> {
  connect(): Promise<C>;
  on(event: "connect", listener: (client: C) => void): unknown;
  on(event: "error", listener: () => void): unknown;
}

/**
 * Makes lost connections harmless on a Drizzle database over a pool. Drizzle takes a client out of the pool and never
 * gives it back when `begin` fails, and gives a client back as sound when `rollback` fails.
 */
export function surviveLostConnections<C extends PooledClient>(
  db: Db,
  pool: ClientPool<C>,
  over: (client: C) => Db,
): Db {
  // A connection that ends while nobody waits for an answer would otherwise end the process: the pool hears of idle
  // ones, the client of one that is in a transaction.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => void client.on("error", () => undefined));
  db.transaction = async (work, config) => {
    const client = await pool.connect();
    let isLost = false;
    try {
      return await over(client).transaction(work, config);
    } catch (error) {
      isLost = isConnectionLost(error);
      throw error;
    } finally {
      client.release(isLost);
    }
  };
  return db;
}

/** An error of the server's own has a severity, and only a fatal one ends the connection. */
function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof DrizzleQueryError)) return false;
  const { severity } = (error.cause ?? {}) as { severity?: string };
  return severity === undefined || severity === "FATAL" || severity === "PANIC";
}
