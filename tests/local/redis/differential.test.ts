import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startRedis, type LocalRedis } from "../../../local/redis/index.ts";
import { post, realServer, removeFolder, temporaryFolder, withoutServer } from "./support.ts";

const RUNS = 150;
const COMMANDS_MAX = 25;

const key = fc.constantFrom("a", "b", "ab", "a[b", "ü");
const value = fc.oneof(
  fc.constantFrom("1", "-7", "01", "9223372036854775807", "x", ""),
  fc.string({ maxLength: 6 }),
);
const integer = fc.constantFrom("1", "-3", "1000", "0", "x", "1.5", "9223372036854775807", "");
const life = fc.constantFrom("1000", "500000", "x", "0", "-1");
// Without ü: how Redis orders bytes beyond ASCII in a range depends on the machine it was built for.
const pattern = fc.array(fc.constantFrom("*", "?", "[", "]", "^", "-", "\\", "a", "b"), {
  maxLength: 6,
});
const option = fc.oneof(
  fc.constantFrom(["NX"], ["xx"], ["EX"], ["sometimes"]),
  life.map((amount) => ["EX", amount]),
);

const command = fc.oneof<fc.Arbitrary<string[]>[]>(
  fc.tuple(fc.constantFrom("GET", "type", "INCR", "EXISTS", "DEL", "UNLINK", "TTL", "HGETALL"), key),
  fc.tuple(fc.constantFrom("MGET", "EXISTS", "DEL"), key, key),
  fc.tuple(key, value, fc.array(option, { maxLength: 3 })).map(([k, v, o]) => ["SET", k, v, ...o.flat()]),
  fc.tuple(fc.constant("INCRBY"), key, integer),
  fc.tuple(fc.constantFrom("STRLEN", "HLEN"), key),
  fc.tuple(fc.constant("GETRANGE"), key, integer, integer),
  fc.tuple(fc.constantFrom("EXPIRE", "expire"), key, life),
  fc.tuple(fc.constantFrom("HGET", "HDEL", "HMGET"), key, key),
  fc.tuple(fc.constant("HSET"), key, key, value),
  fc.tuple(fc.constant("HSET"), key, key, value, key, value),
  fc.tuple(fc.constant("HINCRBY"), key, key, integer),
  pattern.map((parts) => ["KEYS", parts.join("")]),
  fc.constantFrom(
    ["PING"],
    ["PING", "hi"],
    ["DBSIZE"],
    ["GET"],
    ["SET", "a"],
    ["HSET", "a", "b"],
    ["SCAN", "x"],
  ),
);

interface Result {
  result?: unknown;
  error?: string;
}

/** Answers that may be compared: errors by their first word, KEYS in order. */
function comparable(commands: string[][], results: Result[]): unknown[] {
  return results.map(({ result, error }, index) => {
    if (error !== undefined) return error.split(" ")[0];
    return commands[index]?.[0] === "KEYS" ? (result as string[]).sort() : result;
  });
}

describe.skipIf(withoutServer)(`the in-memory subset beside ${realServer}`, () => {
  let folders: string[] = [];
  let real: LocalRedis;
  let memory: LocalRedis;

  beforeAll(async () => {
    folders = [temporaryFolder(), temporaryFolder()];
    real = await startRedis({ dataDir: folders[0] ?? "" });
    memory = await startRedis({ dataDir: folders[1] ?? "", forceMemory: true });
  });
  afterAll(async () => {
    await Promise.all([real?.stop(), memory?.stop()]);
    folders.forEach(removeFolder);
  });

  test.each(["/pipeline", "/multi-exec"])(
    `%s answers any commands alike`,
    async (path) => {
      const ask = async (local: LocalRedis, commands: string[][]) => {
        await post(local, "/", ["FLUSHALL"]);
        const { status, body } = await post(local, path, commands);
        return [status, Array.isArray(body) ? comparable(commands, body as Result[]) : "refused"];
      };
      await fc.assert(
        fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: COMMANDS_MAX }), async (commands) => {
          expect(await ask(memory, commands)).toEqual(await ask(real, commands));
        }),
        { numRuns: RUNS },
      );
    },
    60_000,
  );
});
