import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import type { Database, PoolOptions } from "../client.ts";
import { surviveLostConnections } from "./transactions.ts";

export function connectPg(options: PoolOptions): Database {
  const pool = new pg.Pool({ ...options, keepAlive: true });
  return {
    driver: "pg",
    db: surviveLostConnections<pg.PoolClient>(drizzle(pool), pool, (client) => drizzle(client)),
    close: () => pool.end(),
    connections: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
  };
}
