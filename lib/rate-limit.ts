import { Ratelimit } from "@upstash/ratelimit";
import type { Redis } from "@upstash/redis";

const PREFIX = "afterimage:rate";
/** A request waits no longer than this for its count. */
const TIMEOUT_MS = 250;
/** While Redis is away, one request in this time asks again; all others pass at once. */
const RETRY_AFTER_MS = 5_000;
const REASON_LENGTH_MAX = 200;

interface RateLimit {
  requests: number;
  windowSeconds: number;
}

/**
 * What one API key may ask for, per class. Short windows keep the wait after a refusal short. A lookup reads one record by its
 * key, which costs no more than a write.
 */
export const RATE_LIMITS = {
  ingest: { requests: 10_000, windowSeconds: 10 },
  lookup: { requests: 10_000, windowSeconds: 10 },
  read: { requests: 300, windowSeconds: 10 },
  export: { requests: 20, windowSeconds: 60 },
  admin: { requests: 120, windowSeconds: 60 },
} as const satisfies Record<string, RateLimit>;

export type RateClass = keyof typeof RATE_LIMITS;

export interface RateLimitResult {
  rateClass: RateClass;
  allowed: boolean;
  /** Requests per window. */
  limit: number;
  windowSeconds: number;
  /** Requests left in the window as it slides. */
  remaining: number;
  /** Whole seconds, 1 or more, after which more requests are let through for certain. */
  resetSeconds: number;
}

export interface RateLimiter {
  /** Counts a request of a key. Null, and never an exception, when it cannot be counted: let it pass. */
  check(rateClass: RateClass, keyId: string): Promise<RateLimitResult | null>;
}

/** The two methods of pino that are used. */
interface RateLimitLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface RateLimiterOptions {
  limits?: Partial<Record<RateClass, RateLimit>>;
  timeoutMs?: number;
  retryAfterMs?: number;
}

/**
 * Sliding-window limits per key and class, kept in Redis. Without Redis, or while it is away or slower
 * than 250 ms, requests pass; the log says so once, and once more when Redis is back.
 */
export function createRateLimiter(
  redis: Redis | null,
  log: RateLimitLog,
  options: RateLimiterOptions = {},
): RateLimiter {
  if (redis === null) {
    log.info({}, "Redis is not configured: requests are not rate-limited");
    return { check: async () => null };
  }
  const limits: Record<RateClass, RateLimit> = { ...RATE_LIMITS, ...options.limits };
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const counters = {
    ingest: createCounter(redis, "ingest", limits.ingest, timeoutMs),
    lookup: createCounter(redis, "lookup", limits.lookup, timeoutMs),
    read: createCounter(redis, "read", limits.read, timeoutMs),
    export: createCounter(redis, "export", limits.export, timeoutMs),
    admin: createCounter(redis, "admin", limits.admin, timeoutMs),
  } satisfies Record<RateClass, Ratelimit>;
  const breaker = createBreaker(log, options.retryAfterMs ?? RETRY_AFTER_MS);

  return {
    check: (rateClass, keyId) =>
      breaker.run(async () => {
        const answer = await counters[rateClass].limit(keyId);
        if (answer.reason === "timeout") throw new Error(`no answer within ${timeoutMs} ms`);
        return {
          rateClass,
          allowed: answer.success,
          limit: answer.limit,
          windowSeconds: limits[rateClass].windowSeconds,
          remaining: answer.remaining,
          resetSeconds: Math.max(1, Math.ceil((answer.reset - Date.now()) / 1_000)),
        };
      }),
  };
}

function createCounter(
  redis: Redis,
  rateClass: RateClass,
  { requests, windowSeconds }: RateLimit,
  timeoutMs: number,
): Ratelimit {
  return new Ratelimit({
    redis,
    prefix: `${PREFIX}:${rateClass}`,
    limiter: Ratelimit.slidingWindow(requests, `${windowSeconds} s`),
    timeout: timeoutMs,
    // The library's cache of refusals lasts to the end of the window, which halves what a client just
    // above its limit gets; a sliding window gives it the next request earlier.
    ephemeralCache: false,
    enableTelemetry: false,
  });
}

/** Runs tasks while they succeed; after a failure answers null without trying, but for one try now and then. */
function createBreaker(log: RateLimitLog, retryAfterMs: number) {
  let retryAt: number | null = null;

  return {
    async run<Result>(task: () => Promise<Result>): Promise<Result | null> {
      const isTrial = retryAt !== null;
      if (retryAt !== null) {
        if (performance.now() < retryAt) return null;
        retryAt = performance.now() + retryAfterMs;
      }
      try {
        const result = await task();
        if (isTrial) {
          retryAt = null;
          log.info({}, "Redis is back: requests are rate-limited again");
        }
        return result;
      } catch (error) {
        if (retryAt === null) {
          log.warn({ reason: reasonOf(error) }, "Redis is away or slow: requests pass without rate limits");
        }
        if (retryAt === null || isTrial) retryAt = performance.now() + retryAfterMs;
        return null;
      }
    },
  };
}

// The client appends the whole command to its messages; keys have no place in the log.
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  const { code } = (error.cause ?? {}) as { code?: unknown };
  const message = error.message.split(", command was:")[0] ?? "";
  return (typeof code === "string" ? `${message} (${code})` : message).slice(0, REASON_LENGTH_MAX);
}

/**
 * Response headers as in draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy` (quota, window in
 * seconds) and `RateLimit` (remaining, seconds until there is more); `Retry-After` when refused, for the
 * 429. Empty for a request that was not counted.
 */
export function rateLimitHeaders(result: RateLimitResult | null): Record<string, string> {
  if (result === null) return {};
  const { rateClass, limit, windowSeconds, remaining, resetSeconds, allowed } = result;
  return {
    "RateLimit-Policy": `"${rateClass}";q=${limit};w=${windowSeconds}`,
    RateLimit: `"${rateClass}";r=${remaining};t=${resetSeconds}`,
    ...(allowed ? {} : { "Retry-After": String(resetSeconds) }),
  };
}
