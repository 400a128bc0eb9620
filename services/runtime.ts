import { connect, type Database } from "../db/client.ts";
import type { Env } from "../lib/env.ts";
import { sendEvents, type EventSender } from "../lib/inngest.ts";
import { createLogger, type Logger } from "../lib/logger.ts";
import { createRateLimiter, type RateLimiter } from "../lib/rate-limit.ts";
import { createRedis } from "../lib/redis.ts";
import type { WorkerContext } from "./context.ts";
import { createAuthenticator, type Authenticate } from "./keys/authenticate.ts";

/** What a process holds open: made once, shared by all requests and steps. */
export interface Runtime {
  /** As audit_app, for the API. */
  app: Database;
  /** As audit_worker, for the workflows. */
  worker: Database;
  /** Whether both are one login, which gives up the division between them. */
  singleUrl: boolean;
  authenticate: Authenticate;
  limiter: RateLimiter;
  send: EventSender;
  log: Logger;
  close(): Promise<void>;
}

export function createRuntime(
  env: Env,
  overrides: Partial<Pick<Runtime, "log" | "send" | "limiter">> = {},
): Runtime {
  const log = overrides.log ?? createLogger(env.LOG_LEVEL);
  const app = connect(env.DATABASE_URL, env.DATABASE_POOL_SIZE);
  const singleUrl = env.WORKER_DATABASE_URL === undefined || env.WORKER_DATABASE_URL === env.DATABASE_URL;
  const worker = singleUrl
    ? app
    : connect(env.WORKER_DATABASE_URL ?? env.DATABASE_URL, env.DATABASE_POOL_SIZE);
  return {
    app,
    worker,
    singleUrl,
    authenticate: createAuthenticator(),
    limiter:
      overrides.limiter ??
      createRateLimiter(
        createRedis({ url: env.UPSTASH_REDIS_REST_URL, token: env.UPSTASH_REDIS_REST_TOKEN }),
        log,
      ),
    send: overrides.send ?? sendEvents,
    log,
    close: async () => {
      await app.close();
      if (!singleUrl) await worker.close();
    },
  };
}

export const workerContext = (runtime: Runtime): WorkerContext => ({
  db: runtime.worker.db,
  log: runtime.log,
  send: runtime.send,
});
