import { errorOf, type Case } from "./support.ts";

/** What is left of a life of which a busy machine has taken some. */
const isAlmost = (life: number, left: number) => left > life * 0.9 && left <= life;

export const commandCases: Case[] = [
  { name: "PING answers", run: (redis) => redis.ping(), answer: "PONG" },
  {
    name: "GET gives back what SET stored, characters outside ASCII included",
    run: async (redis) => [
      await redis.set("k", "žluťoučký 🐎"),
      await redis.get("k"),
      await redis.get("none"),
    ],
    answer: ["OK", "žluťoučký 🐎", null],
  },
  {
    name: "a stored OK and a stored object come back as they were",
    run: async (redis) => {
      await redis.set("ok", "OK");
      await redis.set("object", { a: [1, null] });
      return [await redis.get("ok"), await redis.get("object")];
    },
    answer: ["OK", { a: [1, null] }],
  },
  {
    name: "SET NX stores once and SET XX only over something",
    run: async (redis) => [
      await redis.set("k", "1", { xx: true }),
      await redis.set("k", "1", { nx: true, ex: 60 }),
      await redis.set("k", "2", { nx: true }),
      await redis.set("k", "3", { xx: true }),
      await redis.get("k"),
    ],
    answer: [null, "OK", null, "OK", 3],
  },
  {
    name: "EX and PX give a life, SET without them takes it away, EXPIRE sets it, and a missing key has none",
    run: async (redis) => {
      await redis.set("ex", "v", { ex: 100 });
      await redis.set("px", "v", { px: 200_000 });
      await redis.set("plain", "v", { ex: 100 });
      await redis.set("plain", "w");
      const set = [
        await redis.expire("plain", 300),
        await redis.pexpire("px", 400_000),
        await redis.expire("no", 1),
      ];
      const left = [
        isAlmost(100, await redis.ttl("ex")),
        isAlmost(300, await redis.ttl("plain")),
        isAlmost(400_000, await redis.pttl("px")),
      ];
      return [set, left, await redis.ttl("no")];
    },
    answer: [[1, 1, 0], [true, true, true], -2],
  },
  {
    name: "a key is gone when its time has come",
    run: async (redis) => {
      await redis.set("short", "v", { px: 40 });
      await redis.set("now", "v");
      await redis.expire("now", -1);
      await new Promise((resolve) => setTimeout(resolve, 80));
      return [await redis.get("short"), await redis.exists("short", "now"), await redis.keys("*")];
    },
    answer: [null, 0, []],
  },
  {
    name: "DEL, UNLINK, EXISTS, MGET and TYPE count and name what is there",
    run: async (redis) => {
      await redis.set("a", "1");
      await redis.set("b", "x");
      await redis.hset("h", { f: "v" });
      return [
        await redis.mget("a", "none", "h", "b"),
        await redis.exists("a", "a", "none"),
        [await redis.type("a"), await redis.type("h"), await redis.type("none")],
        [await redis.del("a", "none"), await redis.unlink("b", "h"), await redis.dbsize()],
      ];
    },
    answer: [[1, null, null, "x"], 2, ["string", "hash", "none"], [1, 2, 0]],
  },
  {
    name: "INCR counts from nothing, keeps the life of its key and refuses what is no integer",
    run: async (redis) => {
      await redis.set("text", "abc");
      const first = await redis.incr("n");
      await redis.expire("n", 50);
      const second = await redis.incrby("n", 41);
      return [first, second, isAlmost(50, await redis.ttl("n")), await errorOf(redis.incr("text"))];
    },
    answer: [1, 42, true, "ERR"],
  },
  {
    name: "hashes store, count, add and remove fields, and an empty one is gone",
    run: async (redis) => [
      await redis.hset("h", { a: "1", b: "two" }),
      await redis.hset("h", { b: "zwei", c: "3" }),
      await redis.hget("h", "b"),
      await redis.hmget("h", "a", "none"),
      await redis.hincrby("h", "a", 9),
      await redis.hgetall("h"),
      await redis.hdel("h", "a", "b", "none"),
      await redis.hdel("h", "c"),
      await redis.exists("h"),
      await redis.hgetall("h"),
    ],
    answer: [2, 1, "zwei", { a: 1, none: null }, 10, { a: 10, b: "zwei", c: 3 }, 2, 1, 0, null],
  },
  {
    name: "STRLEN and GETRANGE count bytes, from either end, and HLEN and HSCAN see all of a small hash",
    run: async (redis) => {
      await redis.set("k", "ab\u00fccd");
      await redis.hset("h", { a: "x", b: "y" });
      const ranges: [number, number][] = [
        [0, 1],
        [-2, -1],
        [4, 99],
        [-99, 0],
        [3, 2],
        [-1, -3],
        [9, 12],
      ];
      return [
        [await redis.strlen("k"), await redis.strlen("none"), await redis.getrange("none", 0, 5)],
        await Promise.all(ranges.map(([start, end]) => redis.getrange("k", start, end))),
        [await redis.hlen("h"), await redis.hlen("none")],
        [await redis.hscan("h", 0, { count: 100 }), await redis.hscan("none", 0)],
        await errorOf(redis.strlen("h")),
      ];
    },
    answer: [
      [6, 0, ""],
      ["ab", "cd", "cd", "a", "", "", ""],
      [2, 0],
      [
        ["0", ["a", "x", "b", "y"]],
        ["0", []],
      ],
      "WRONGTYPE",
    ],
  },
  {
    name: "a command on the wrong type is an error",
    run: async (redis) => {
      await redis.hset("h", { f: "v" });
      await redis.set("s", "v");
      return [
        await errorOf(redis.get("h")),
        await errorOf(redis.hget("s", "f")),
        await errorOf(redis.incr("h")),
      ];
    },
    answer: ["WRONGTYPE", "WRONGTYPE", "WRONGTYPE"],
  },
  {
    name: "a cache is flushed by SCAN and UNLINK while it is scanned, and its neighbours stay",
    run: async (redis) => {
      const keys = Array.from({ length: 250 }, (_, i) => `customer:venues:{${i}}`);
      await Promise.all([...keys, "customer:[x]", "other"].map((key) => redis.set(key, "v")));
      let cursor = "0";
      let unlinked = 0;
      do {
        const [next, found] = await redis.scan(cursor, { match: "customer:venues:{*}", count: 20 });
        if (found.length > 0) unlinked += await redis.unlink(...found);
        cursor = next;
      } while (cursor !== "0");
      return [unlinked, (await redis.keys("*")).sort()];
    },
    answer: [250, ["customer:[x]", "other"]],
  },
  {
    name: "KEYS knows *, ?, classes, ranges, negation and escapes",
    run: async (redis) => {
      for (const key of ["hello", "hallo", "hxllo", "hllo", "h*llo", "heeello", "h[a]"])
        await redis.set(key, "v");
      const patterns = [
        "h?llo",
        "h*llo",
        "h[ae]llo",
        "h[^e]llo",
        "h[a-b]llo",
        "h\\*llo",
        "h\\[a\\]",
        "*ll*",
        "h",
        "",
      ];
      return Promise.all(patterns.map(async (pattern) => (await redis.keys(pattern)).sort().join(" ")));
    },
    answer: [
      "h*llo hallo hello hxllo",
      "h*llo hallo heeello hello hllo hxllo",
      "hallo hello",
      "h*llo hallo hxllo",
      "hallo",
      "h*llo",
      "h[a]",
      "h*llo hallo heeello hello hllo hxllo",
      "",
      "",
    ],
  },
  {
    name: "FLUSHALL empties everything",
    run: async (redis) => [await redis.set("k", "v"), await redis.flushall(), await redis.dbsize()],
    answer: ["OK", "OK", 0],
  },
  {
    name: "a transaction answers each command, and one that fails does not undo the others",
    run: async (redis) => {
      const answers = await redis.multi().set("k", "1").incr("k").get("k").exec();
      const failing = redis.multi().set("k", "text").incr("k").set("l", "9");
      return [answers, await errorOf(failing.exec()), await redis.mget("k", "l")];
    },
    answer: [["OK", 2, 2], "ERR", ["text", 9]],
  },
];
