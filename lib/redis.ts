import { Redis } from "@upstash/redis";

const TIMEOUT_MS = 1_000;
const RETRIES = 1;
const RETRY_PAUSE_MS = 50;

interface RedisSettings {
  url?: string | undefined;
  token?: string | undefined;
}

export type { Redis };

interface RedisOptions {
  /** How long a command may take, its second try and its pause included. */
  timeoutMs?: number;
  /** Whether replies stay text as they came; else what looks like JSON is parsed, keys included. */
  raw?: boolean;
}

/**
 * An Upstash Redis client whose commands answer or throw within about 1 s unless said otherwise, or null when Redis is
 * not configured. Throws when only one of the two settings is there.
 */
export function createRedis(
  { url, token }: RedisSettings,
  { timeoutMs = TIMEOUT_MS, raw = false }: RedisOptions = {},
): Redis | null {
  if (!url && !token) return null;
  if (!url || !token) throw new Error("Redis needs both its REST URL and its token; one of them is missing");
  return new Redis({
    url,
    token,
    // Asked for once per command, so one deadline covers all tries.
    signal: () => AbortSignal.timeout(timeoutMs),
    retry: { retries: RETRIES, backoff: () => RETRY_PAUSE_MS },
    enableTelemetry: false,
    automaticDeserialization: !raw,
  });
}
