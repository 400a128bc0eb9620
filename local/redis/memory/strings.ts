import { RedisError } from "../backend.ts";
import { bulk, type CommandTable } from "./command.ts";
import type { Keyspace } from "./keyspace.ts";
import { add, NOT_AN_INTEGER, parseInteger } from "./numbers.ts";

const MS_PER_UNIT: Record<string, number> = { ex: 1_000, px: 1 };

export const stringCommands: CommandTable = {
  get: { min: 1, max: 1, run: (keyspace, [key = ""]) => bulk(keyspace.getString(key)) },
  mget: {
    min: 1,
    run: (keyspace, keys) =>
      keys.map((key) => {
        const value = keyspace.get(key);
        return typeof value === "string" ? bulk(value) : null;
      }),
  },
  strlen: { min: 1, max: 1, run: (keyspace, [key = ""]) => keyspace.getString(key)?.length ?? 0 },
  getrange: { min: 3, max: 3, run: range },
  set: { min: 2, run: set },
  incr: { min: 1, max: 1, run: (keyspace, [key = ""]) => increase(keyspace, key, "1") },
  incrby: { min: 2, max: 2, run: (keyspace, [key = "", step = ""]) => increase(keyspace, key, step) },
};

function set(keyspace: Keyspace, [key = "", value = "", ...options]: string[]) {
  const { condition, lifeMs } = parseSetOptions(options);
  const exists = keyspace.get(key) !== undefined;
  if ((condition === "nx" && exists) || (condition === "xx" && !exists)) return null;
  keyspace.set(key, value, lifeMs === null ? null : Date.now() + lifeMs);
  return "OK";
}

/** Both ends belong to it; negative ones count from the end. */
function range(keyspace: Keyspace, [key = "", first = "", last = ""]: string[]) {
  const [start, end] = [parseInteger(first), parseInteger(last)];
  const text = keyspace.getString(key) ?? "";
  const at = (index: number) => (index < 0 ? Math.max(0, text.length + index) : index);
  const isEmpty = start < 0 && end < 0 && start > end;
  return bulk(isEmpty ? "" : text.slice(at(start), at(end) + 1));
}

interface SetOptions {
  condition: "nx" | "xx" | null;
  lifeMs: number | null;
}

function parseSetOptions(options: string[]): SetOptions {
  let condition: SetOptions["condition"] = null;
  let life: string | null = null;
  let lifeUnitMs = 0;
  for (let i = 0; i < options.length; i++) {
    const option = options[i]?.toLowerCase() ?? "";
    const unitMs = MS_PER_UNIT[option];
    const amount = options[i + 1];
    if ((option === "nx" || option === "xx") && (condition ?? option) === option) condition = option;
    else if (unitMs !== undefined && amount !== undefined && (lifeUnitMs || unitMs) === unitMs) {
      life = amount;
      lifeUnitMs = unitMs;
      i++;
    } else throw new RedisError("ERR syntax error");
  }
  if (life === null) return { condition, lifeMs: null };
  const lifeMs = parseInteger(life) * lifeUnitMs;
  if (lifeMs <= 0 || lifeMs > Number.MAX_SAFE_INTEGER) {
    throw new RedisError("ERR invalid expire time in 'set' command");
  }
  return { condition, lifeMs };
}

function increase(keyspace: Keyspace, key: string, step: string): number {
  const sum = add(() => keyspace.getString(key), step, NOT_AN_INTEGER);
  keyspace.set(key, sum);
  return Number(sum);
}
