import { RedisError, type Reply } from "../backend.ts";
import { bulk, type CommandTable } from "./command.ts";
import type { Keyspace } from "./keyspace.ts";
import { add, parseInteger } from "./numbers.ts";

export const hashCommands: CommandTable = {
  hget: {
    min: 2,
    max: 2,
    run: (keyspace, [key = "", field = ""]) => bulk(keyspace.getHash(key)?.get(field)),
  },
  hmget: {
    min: 2,
    run: (keyspace, [key = "", ...fields]) => {
      const hash = keyspace.getHash(key);
      return fields.map((field) => bulk(hash?.get(field)));
    },
  },
  hgetall: {
    min: 1,
    max: 1,
    run: (keyspace, [key = ""]) => [...(keyspace.getHash(key) ?? [])].flat().map((part) => bulk(part)),
  },
  hlen: { min: 1, max: 1, run: (keyspace, [key = ""]) => keyspace.getHash(key)?.size ?? 0 },
  hscan: { min: 2, run: scanFields },
  hset: { min: 3, run: setFields },
  hdel: { min: 2, run: deleteFields },
  hincrby: {
    min: 3,
    max: 3,
    run: (keyspace, [key = "", field = "", step = ""]) => {
      const sum = add(() => keyspace.getHash(key)?.get(field), step, "ERR hash value is not an integer");
      hashAt(keyspace, key).set(field, sum);
      return Number(sum);
    },
  },
};

function hashAt(keyspace: Keyspace, key: string): Map<string, string> {
  const existing = keyspace.getHash(key);
  if (existing) return existing;
  const hash = new Map<string, string>();
  keyspace.set(key, hash);
  return hash;
}

function setFields(keyspace: Keyspace, [key = "", ...pairs]: string[]): number {
  if (pairs.length % 2 !== 0) throw new RedisError("ERR wrong number of arguments for 'hset' command");
  const hash = hashAt(keyspace, key);
  const before = hash.size;
  for (let i = 0; i < pairs.length; i += 2) hash.set(pairs[i] ?? "", pairs[i + 1] ?? "");
  return hash.size - before;
}

/** All at once, as Redis does with a small hash. */
function scanFields(keyspace: Keyspace, [key = "", cursor = "", ...options]: string[]): Reply {
  if (!/^\d{1,20}$/.test(cursor)) throw new RedisError("ERR invalid cursor");
  const isKnown = options.length === 0 || (options.length === 2 && options[0]?.toLowerCase() === "count");
  if (!isKnown) throw new RedisError("ERR syntax error");
  if (options.length === 2 && parseInteger(options[1] ?? "") < 1) throw new RedisError("ERR syntax error");
  return [bulk("0"), [...(keyspace.getHash(key) ?? [])].flat().map((part) => bulk(part))];
}

function deleteFields(keyspace: Keyspace, [key = "", ...fields]: string[]): number {
  const hash = keyspace.getHash(key);
  if (!hash) return 0;
  const deleted = fields.filter((field) => hash.delete(field)).length;
  if (hash.size === 0) keyspace.delete(key);
  return deleted;
}
