import {
  Client,
  Pool,
  types,
  type ClientConfig,
  type PoolClient,
  type PoolConfig,
} from "@neondatabase/serverless";
import { drizzle } from "drizzle-orm/neon-serverless";
import type { Tracing } from "../../lib/tracing.ts";
import type { Database, PoolOptions } from "../client.ts";
import { NeonSocket } from "./neon-socket.ts";
import { traced } from "./traced.ts";
import { surviveLostConnections } from "./transactions.ts";

/** pg_type.oid */
const BYTEA = 17;
const BYTEA_HEX_PREFIX = "\\x";

// The driver brings a Buffer of its own, which Node's functions do not know as one.
types.setTypeParser(BYTEA, (text) => Buffer.from(text.slice(BYTEA_HEX_PREFIX.length), "hex"));

export function connectNeon(options: PoolOptions, tracing: Tracing, proxy?: string): Database {
  const pool = neonPool(options, proxy);
  return {
    driver: "neon",
    db: surviveLostConnections<PoolClient>(drizzle(traced(pool, tracing)), pool, (client) =>
      drizzle(traced(client, tracing)),
    ),
    close: () => pool.end(),
    connections: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
  };
}

/**
 * A pool of Neon's driver, over WebSockets. With `proxy` (host:port), connections go there, unencrypted, instead of to Neon.
 * Settings stand on each client and not on the driver's global configuration, so that both kinds can live in a process.
 */
export function neonPool(options: PoolConfig, proxy?: string): Pool {
  class NeonClient extends Client {
    constructor(config: ClientConfig) {
      super(config);
      this.neonConfig.webSocketConstructor = NeonSocket;
      // It waits a millisecond for more to send, at every statement; the socket gathers without waiting.
      this.neonConfig.coalesceWrites = false;
      if (proxy === undefined) return;
      this.neonConfig.wsProxy = () => `${proxy}/v2`;
      this.neonConfig.useSecureWebSocket = false;
    }
  }
  const pool = new Pool(options);
  pool.Client = NeonClient;
  return pool;
}
