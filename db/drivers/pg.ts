import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import type { Tracing } from "../../lib/tracing.ts";
import type { Database, PoolOptions } from "../client.ts";
import { traced } from "./traced.ts";
import { surviveLostConnections } from "./transactions.ts";

export function connectPg(options: PoolOptions, tracing: Tracing): Database {
  const pool = new pg.Pool({ ...options, keepAlive: true });
  return {
    driver: "pg",
    db: surviveLostConnections<pg.PoolClient>(drizzle(traced(pool, tracing)), pool, (client) =>
      drizzle(traced(client, tracing)),
    ),
    close: () => pool.end(),
    connections: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
  };
}
