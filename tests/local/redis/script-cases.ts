import { Ratelimit } from "@upstash/ratelimit";
import type { Redis } from "@upstash/redis";
import { errorOf, type Case } from "./support.ts";

const HOUR_MS = 3_600_000;

export const scriptCases: Case[] = [
  {
    name: "EVAL converts every kind of value in both directions",
    run: async (redis) => {
      await redis.set("s", "text");
      await redis.hset("h", { f: "1" });
      const script = `
        local function kind(v) return type(v) == 'table' and (v.ok or v.err and 'err' or #v) or tostring(v) end
        return {1, 3.99, 'ü', true, {KEYS[1], {ARGV[1]}}, kind(redis.call('GET', KEYS[1])), kind(redis.call('GET', 'no')),
          kind(redis.call('SET', 'x', 10 / 4)), kind(redis.pcall('GET', 'h')), kind(redis.call('HGETALL', 'h')),
          redis.call('INCRBY', 'big', '4000000000'), redis.call('GET', 'x'), false, 'last'}`;
      return redis.eval(script, ["s"], ["arg"]);
    },
    answer: [1, 3, "ü", 1, ["s", ["arg"]], "text", false, "OK", "err", 2, 4_000_000_000, 2.5, null, "last"],
  },
  {
    name: "a list from EVAL ends at the first nil, and an error in a script is an error",
    run: async (redis) => [
      await redis.eval("return {1, nil, 3}", [], []),
      await redis.eval("return {ok = 'FINE'}", [], []),
      await errorOf(redis.eval("return {err = 'ERR mine'}", [], [])),
      await errorOf(redis.eval("this is not Lua", [], [])),
      await errorOf(
        redis.eval("redis.call('HSET', KEYS[1], 'f', 'v') return redis.call('GET', KEYS[1])", ["h"], []),
      ),
      await errorOf(redis.eval("return redis.call('NOSUCHCOMMAND')", [], [])),
      await errorOf(redis.eval("return dofile('/etc/hostname')", [], [])),
    ],
    answer: [[1], "FINE", "ERR", "ERR", "WRONGTYPE", "ERR", "ERR"],
  },
  {
    name: "EVALSHA runs what SCRIPT LOAD or EVAL brought, also with Upstash's first line, and nothing else",
    run: async (redis) => {
      const script = "#!lua flags=allow-key-locking\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])";
      const sha = await redis.scriptLoad(script);
      const unknown = "0".repeat(40);
      return [
        await redis.evalsha(sha, ["n"], ["5"]),
        await redis.eval(script, ["n"], ["5"]),
        await redis.scriptExists(sha, unknown),
        await errorOf(redis.evalsha(unknown, [], [])),
        await redis.multi().evalsha(sha, ["n"], ["1"]).get("n").exec(),
      ];
    },
    answer: [5, 10, [1, 0], "NOSCRIPT", [11, 11]],
  },
  ...(["slidingWindow", "fixedWindow", "tokenBucket"] as const).map((algorithm) => ({
    name: `@upstash/ratelimit's ${algorithm} lets through exactly its limit`,
    run: async (redis: Redis) => {
      const limiter =
        algorithm === "tokenBucket"
          ? Ratelimit.tokenBucket(1, `${HOUR_MS} ms`, 3)
          : Ratelimit[algorithm](3, `${HOUR_MS} ms`);
      const limit = new Ratelimit({ redis, limiter, ephemeralCache: false, enableTelemetry: false });
      const answers: unknown[] = [];
      for (let i = 0; i < 5; i++) {
        const { success, remaining, limit: most } = await limit.limit("key");
        answers.push([success, remaining, most]);
      }
      const other = await limit.limit("other");
      await limit.resetUsedTokens("key");
      return [answers, other.success, (await limit.getRemaining("other")).remaining];
    },
    answer: [
      [
        [true, 2, 3],
        [true, 1, 3],
        [true, 0, 3],
        [false, 0, 3],
        [false, 0, 3],
      ],
      true,
      2,
    ],
  })),
];
