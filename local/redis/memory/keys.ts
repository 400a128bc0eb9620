import { RedisError, type Reply } from "../backend.ts";
import { bulk, type CommandTable } from "./command.ts";
import { matchesGlob } from "./glob.ts";
import type { Keyspace } from "./keyspace.ts";
import { parseInteger } from "./numbers.ts";

const SCAN_COUNT = 10;
const CURSOR = /^\d{1,20}$/;

const remove = (keyspace: Keyspace, keys: string[]) => keys.filter((key) => keyspace.delete(key)).length;

export const keyCommands: CommandTable = {
  del: { min: 1, run: remove },
  unlink: { min: 1, run: remove },
  exists: { min: 1, run: (keyspace, keys) => keys.filter((key) => keyspace.get(key) !== undefined).length },
  type: { min: 1, max: 1, run: (keyspace, [key = ""]) => typeName(keyspace.get(key)) },
  expire: { min: 2, max: 2, run: (keyspace, args) => expire(keyspace, args, "expire", 1_000) },
  pexpire: { min: 2, max: 2, run: (keyspace, args) => expire(keyspace, args, "pexpire", 1) },
  ttl: {
    min: 1,
    max: 1,
    run: (keyspace, [key = ""]) => {
      const left = keyspace.timeLeft(key);
      return left < 0 ? left : Math.round(left / 1_000);
    },
  },
  pttl: { min: 1, max: 1, run: (keyspace, [key = ""]) => keyspace.timeLeft(key) },
  keys: {
    min: 1,
    max: 1,
    run: (keyspace, [pattern = ""]) =>
      keyspace
        .keys()
        .filter((key) => matchesGlob(pattern, key))
        .map((key) => bulk(key)),
  },
  scan: { min: 1, run: scan },
};

function typeName(value: unknown): string {
  if (value === undefined) return "none";
  return typeof value === "string" ? "string" : "hash";
}

function expire(keyspace: Keyspace, [key = "", amount = ""]: string[], name: string, unitMs: number): number {
  const at = Date.now() + parseInteger(amount) * unitMs;
  if (Math.abs(at) > Number.MAX_SAFE_INTEGER)
    throw new RedisError(`ERR invalid expire time in '${name}' command`);
  return keyspace.expire(key, at) ? 1 : 0;
}

function scan(keyspace: Keyspace, [cursor = "", ...options]: string[]): Reply {
  if (!CURSOR.test(cursor)) throw new RedisError("ERR invalid cursor");
  let pattern = "*";
  let count = SCAN_COUNT;
  for (let i = 0; i < options.length; i += 2) {
    const option = options[i]?.toLowerCase();
    const value = options[i + 1];
    if (option === "match" && value !== undefined) pattern = value;
    else if (option === "count" && value !== undefined) count = parseInteger(value);
    else throw new RedisError("ERR syntax error");
    if (count < 1) throw new RedisError("ERR syntax error");
  }
  const { keys, next } = keyspace.scan(Number(cursor), count);
  const matching = keys.filter((key) => matchesGlob(pattern, key)).map((key) => bulk(key));
  return [bulk(String(next)), matching];
}
