import type { Redis } from "../../../lib/redis.ts";
import { safeError } from "../../../lib/logger.ts";
import { ServiceError } from "../../errors.ts";
import type { RestoreContext } from "../context.ts";
import { sha256 } from "./names.ts";
import { chunks } from "./rows.ts";

/** Keys of one command or pipeline. */
export const KEYS_MAX = 500;
const SCAN_COUNT = 500;
/** Values that are read at once, and how much of each: what is longer is told by its size and its beginning. */
const VALUES_MAX = 50;
const VALUE_BYTES_MAX = 64 * 1_024;
const VALUE_ELEMENTS_MAX = 100;

type Client = RestoreContext & { redis: Redis };
type Pipeline = ReturnType<Redis["pipeline"]>;

interface KeyValue {
  type: string;
  /** Tells one value of a key from another; says nothing about the value itself. */
  digest: string;
}

/** The size and the beginning of a value, for each type; what is not here is told by its type alone. */
const READS: Record<string, (pipeline: Pipeline, key: string) => void> = {
  string: (p, key) => void p.strlen(key).getrange(key, 0, VALUE_BYTES_MAX - 1),
  hash: (p, key) => void p.hlen(key).hscan(key, 0, { count: VALUE_ELEMENTS_MAX }),
  list: (p, key) => void p.llen(key).lrange(key, 0, VALUE_ELEMENTS_MAX - 1),
  set: (p, key) => void p.scard(key).sscan(key, 0, { count: VALUE_ELEMENTS_MAX }),
  zset: (p, key) => void p.zcard(key).zrange(key, 0, VALUE_ELEMENTS_MAX - 1, { withScores: true }),
  stream: (p, key) => void p.xlen(key).xrange(key, "-", "+", VALUE_ELEMENTS_MAX),
};

/** The values of those of these keys that exist. Reads of each no more than 64 KiB or 100 elements. */
export async function readValues(ctx: Client, keys: readonly string[]): Promise<Map<string, KeyValue>> {
  const found = new Map<string, KeyValue>();
  for (const some of chunks(keys, KEYS_MAX)) {
    const types = await typesOf(ctx, some);
    for (const present of chunks([...types], VALUES_MAX)) {
      for (const [key, value] of await digestsOf(ctx, present)) found.set(key, value);
    }
  }
  return found;
}

async function typesOf(ctx: Client, keys: string[]): Promise<Map<string, string>> {
  const pipeline = ctx.redis.pipeline();
  for (const key of keys) pipeline.type(key);
  const types = await asked(ctx, () => pipeline.exec<string[]>());
  return new Map(
    keys.map((key, i) => [key, types[i] ?? "none"] as const).filter(([, type]) => type !== "none"),
  );
}

async function digestsOf(ctx: Client, keys: [key: string, type: string][]): Promise<[string, KeyValue][]> {
  const readable = keys.filter(([, type]) => type in READS);
  const pipeline = ctx.redis.pipeline();
  for (const [key, type] of readable) READS[type]?.(pipeline, key);
  const replies = readable.length === 0 ? [] : await asked(ctx, () => pipeline.exec<unknown[]>());
  const values = new Map(readable.map(([key], i) => [key, replies.slice(2 * i, 2 * i + 2)]));
  return keys.map(([key, type]) => [key, { type, digest: digest(type, values.get(key) ?? []) }]);
}

/** Redis keeps no order in hashes and sets. */
function digest(type: string, [size, content]: unknown[]): string {
  if (type !== "hash" && type !== "set") return sha256(JSON.stringify([type, size, content]));
  const elements = Array.isArray(content) && Array.isArray(content[1]) ? (content[1] as unknown[]) : [];
  const each = type === "hash" ? [...chunks(elements, 2)] : elements;
  return sha256(JSON.stringify([type, size, each.map((one) => JSON.stringify(one)).sort()]));
}

/** Removes keys; those that do not exist are none the worse for it. */
export async function unlinkKeys(ctx: Client, keys: readonly string[]): Promise<void> {
  for (const some of chunks(keys, KEYS_MAX)) await asked(ctx, () => ctx.redis.unlink(...some));
}

/** The next part of a scan: about 500 keys looked at, and the cursor to go on from, "0" at the end. */
export async function scanKeys(
  ctx: Client,
  cursor: string,
  match: string,
): Promise<{ cursor: string; keys: string[] }> {
  const [next, keys] = await asked(ctx, () => ctx.redis.scan(cursor, { match, count: SCAN_COUNT }));
  return { cursor: String(next), keys: keys.map(String) };
}

/** The client's own messages quote whole commands. */
async function asked<T>(ctx: Client, command: () => Promise<T>): Promise<T> {
  try {
    return await command();
  } catch (error) {
    ctx.log.warn({ error: safeError(error) }, "Redis refused a command or did not answer");
    throw new ServiceError(
      "unavailable",
      "Redis is away or refused a command, so not all caches are flushed: look at UPSTASH_REDIS_REST_URL and at what its token may do. Then repeat the side effects.",
    );
  }
}
