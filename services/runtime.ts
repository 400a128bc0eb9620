import defaultConfig from "../afterimage.config.ts";
import { connect, WORKER_QUERY_TIMEOUT_MS, type Database } from "../db/client.ts";
import type { Config } from "../lib/config.ts";
import { isQuietDeployment, readEnv, type Env } from "../lib/env.ts";
import { createInngest, createSender, type EventSender, type Inngest } from "../lib/inngest.ts";
import { createLogger, type Logger } from "../lib/logger.ts";
import { createMetrics, type Metrics } from "../lib/metrics.ts";
import { createRateLimiter, type RateLimiter } from "../lib/rate-limit.ts";
import { createRedis, type Redis } from "../lib/redis.ts";
import { createTracing, tracingOptions, type Tracing } from "../lib/tracing.ts";
import { openStorage } from "../lib/storage/open.ts";
import { createAlerting, type Alerting } from "./alerts/channels.ts";
import type { ColdContext } from "./cold/context.ts";
import type { Archive } from "./cold/open-file.ts";
import type { CleanupContext } from "./cleanup/context.ts";
import type { WorkerContext } from "./context.ts";
import { createAuthenticator, type Authenticate } from "./keys/authenticate.ts";
import type { RestoreContext } from "./restore/context.ts";

/** What goes to the application's own keys may be many at once. */
const CACHE_TIMEOUT_MS = 5_000;

/** What a process holds open: made once, shared by all requests and steps. */
export interface Runtime {
  /** As audit_app, for the API. */
  app: Database;
  /** As audit_worker, for the workflows. */
  worker: Database;
  authenticate: Authenticate;
  limiter: RateLimiter;
  inngest: Inngest;
  send: EventSender;
  log: Logger;
  metrics: Metrics;
  tracing: Tracing;
  alerting: Alerting;
  /** Where the application's caches are, its replies as they came; null without Redis. */
  redis: Redis | null;
  config: Config;
  /** Where cold files are; null without ARCHIVE_URL. */
  archive: Archive | null;
  /** Whether this deployment runs no schedules and raises no alarms. */
  quiet: boolean;
  close(): Promise<void>;
}

export type RuntimeOverrides = Partial<
  Pick<
    Runtime,
    "log" | "send" | "limiter" | "inngest" | "metrics" | "tracing" | "redis" | "config" | "archive"
  >
>;

export function createRuntime(env: Env, overrides: RuntimeOverrides = {}): Runtime {
  const log = overrides.log ?? createLogger(env.LOG_LEVEL);
  const inngest = overrides.inngest ?? createInngest(log);
  const redisAt = { url: env.UPSTASH_REDIS_REST_URL, token: env.UPSTASH_REDIS_REST_TOKEN };
  const connections = () => ({ app: app.connections(), worker: worker.connections() });
  const metrics = overrides.metrics ?? createMetrics(connections);
  const tracing = overrides.tracing ?? createTracing(tracingOptions(env, metrics.instance), log);
  const options = { poolSize: env.DATABASE_POOL_SIZE, neonProxy: env.NEON_LOCAL_PROXY, tracing };
  const app = connect(env.DATABASE_URL, options);
  const workerUrl = env.WORKER_DATABASE_URL ?? env.DATABASE_URL;
  const worker = connect(workerUrl, { ...options, queryTimeoutMs: WORKER_QUERY_TIMEOUT_MS });
  return {
    app,
    worker,
    authenticate: createAuthenticator(),
    limiter: overrides.limiter ?? createRateLimiter(createRedis(redisAt), log),
    inngest,
    send: overrides.send ?? createSender(inngest),
    log,
    metrics,
    tracing,
    alerting: createAlerting(env),
    redis:
      overrides.redis === undefined
        ? createRedis(redisAt, { timeoutMs: CACHE_TIMEOUT_MS, raw: true })
        : overrides.redis,
    config: overrides.config ?? defaultConfig,
    archive: overrides.archive === undefined ? openArchive(env) : overrides.archive,
    quiet: isQuietDeployment(env),
    close: async () => void (await Promise.all([app.close(), worker.close(), tracing.close()])),
  };
}

const openArchive = ({ ARCHIVE_URL, ARCHIVE_KEYS }: Env): Archive | null =>
  ARCHIVE_URL === undefined ? null : { storage: openStorage(ARCHIVE_URL), keys: ARCHIVE_KEYS ?? [] };

let shared: Runtime | undefined;

/**
 * The runtime of this process, made from the environment at first use: a function's instance serves many requests.
 * `overrides` count at that first use alone.
 */
export const sharedRuntime = (overrides: RuntimeOverrides = {}): Runtime =>
  (shared ??= createRuntime(readEnv(), overrides));

export const workerContext = (runtime: Runtime): WorkerContext => ({
  db: runtime.worker.db,
  log: runtime.log,
  quiet: runtime.quiet,
  send: runtime.send,
});

/** What sends alerts gets, besides: where they go. */
export const alertingContext = (runtime: Runtime) => ({
  ...workerContext(runtime),
  alerting: runtime.alerting,
});

/** What retention-cleanup gets, besides: its rules. */
export const cleanupContext = (runtime: Runtime): CleanupContext => ({
  ...workerContext(runtime),
  config: runtime.config,
});

/** What restores get, besides: the caches that they flush, and what the configuration says. */
export const restoreContext = (runtime: Runtime): RestoreContext => ({
  ...workerContext(runtime),
  redis: runtime.redis,
  config: runtime.config,
});

/** What cold files need, besides: where they are. */
export const coldContext = (runtime: Runtime): ColdContext => ({
  ...workerContext(runtime),
  archive: runtime.archive,
});
