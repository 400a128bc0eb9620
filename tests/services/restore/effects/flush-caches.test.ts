import { beforeEach, describe, expect, test } from "vitest";
import type { RestoreContext } from "../../../../services/restore/context.ts";
import { noteEffects } from "../../../../db/queries/restore-effects.ts";
import { findStaleKeys } from "../../../../services/restore/effects/find-stale-keys.ts";
import { flushCaches } from "../../../../services/restore/effects/flush-caches.ts";
import { realServer, withoutServer } from "../../../local/redis/support.ts";
import { contents, useEffects, useRedis, type Item } from "./support.ts";

const effects = useEffects();
const table = "public.venues";

/** Calls until all is done, as a workflow's steps do; answers how many keys were flushed and in how many calls. */
async function flushAll(
  ctx: RestoreContext,
  runId: string,
  { deadline, repeat = 0 }: { deadline?: number; repeat?: number } = {},
) {
  let [flushed, calls] = [0, 0];
  for (let after: number | null = 0; after !== null; calls++) {
    const done = await flushCaches(ctx, {
      runId,
      repeat,
      after,
      ...(deadline === undefined ? {} : { deadline }),
    });
    flushed += done.flushed;
    after = done.next;
    if (calls > 500) throw new Error("no end");
  }
  return { flushed, calls };
}

describe.each([
  ["the in-memory stand-in", true],
  [realServer, false],
] as const)("over %s", (_name, memory) => {
  describe.skipIf(!memory && withoutServer)("a flush", () => {
    const redis = useRedis(memory);
    beforeEach(() => redis.client.flushall());
    const context = (cache: string[], more: Partial<RestoreContext> = {}) =>
      effects.context({ [table]: { cache } }, { redis: redis.redis, ...more });
    const store = async (entries: Record<string, string>) =>
      void (await redis.client.mset?.(entries).catch(async () => {
        const pipeline = redis.client.pipeline();
        for (const [key, value] of Object.entries(entries)) pipeline.set(key, value);
        await pipeline.exec();
      }));

    test("removes the keys of rows as they were and as they are, and no other", async () => {
      await store({
        "venue:1": "a",
        "venue:2": "b",
        "venue:3": "c",
        "owner:7": "d",
        "owner:8": "e",
        "owner:9": "f",
      });
      const runId = await effects.run([
        { table, target: { id: 1, owner: 7 } },
        {
          table,
          action: "update",
          live: { id: 2, owner: 8 },
          target: { id: 2, owner: 7 },
          columns: ["owner"],
        },
        { table, target: { id: 3, owner: 9 }, outcome: "skipped" },
        { table, target: { id: null, owner: null } },
      ]);
      const ctx = context(["venue:{id}", "owner:{owner}", "both:{id}:{owner}"]);
      expect(await flushAll(ctx, runId)).toEqual({ flushed: 4, calls: 1 });
      expect(await contents(redis)).toEqual({ "venue:3": "c", "owner:9": "f" });
      const notes = await effects.notes(runId, "flush");
      expect(notes.every((note) => note.is_done)).toBe(true);
      expect(notes.map((note) => note.name)).toEqual([
        "both:1:7",
        "both:2:7",
        "both:2:8",
        "owner:7",
        "owner:8",
        "venue:1",
        "venue:2",
      ]);
      const hadValue = notes.filter((note) => "digest" in note.detail).map((note) => note.name);
      expect(hadValue).toEqual(["owner:7", "owner:8", "venue:1", "venue:2"]);
    });

    test("a value cannot widen a pattern, whatever it holds", async () => {
      const hostile = ["*", "?", "[a-z]", "\\", "a*", "[^x]"];
      await store({ "search:a:1": "x", "search:b:1": "x", searcha: "x" });
      await store(Object.fromEntries(hostile.map((value) => [`search:${value}:1`, "x"])));
      const runId = await effects.run(hostile.map((name) => ({ table, target: { name } })));
      expect(await flushAll(context(["search:{name}:*"]), runId)).toMatchObject({ flushed: hostile.length });
      expect(Object.keys(await contents(redis))).toEqual(["search:a:1", "search:b:1", "searcha"]);
    });

    test("a literal star and braces are what they are, in keys and in patterns", async () => {
      await store({ "{t:1}:a": "x", "{t:1}:b": "x", "t:1:a": "x", "*:1": "x", "a:1": "x" });
      const runId = await effects.run([{ table, target: { id: 1 } }]);
      await flushAll(context(["{{t:{id}}}:*", "{*}:{id}"]), runId);
      expect(Object.keys(await contents(redis))).toEqual(["a:1", "t:1:a"]);
    });

    test("a call that is repeated removes nothing twice, and two at once end alike", async () => {
      await store({ "venue:1": "a", "venue:2": "b", "list:de:1": "c" });
      const runId = await effects.run([
        { table, target: { id: 1, country: "de" } },
        { table, target: { id: 2, country: "de" } },
      ]);
      const ctx = context(["venue:{id}", "list:{country}:*"]);
      const both = await Promise.all([flushAll(ctx, runId), flushAll(ctx, runId)]);
      expect(both[0].flushed + both[1].flushed).toBe(3);
      await store({ "venue:1": "new", "list:de:1": "new", "list:de:9": "new" });
      expect(await flushAll(ctx, runId)).toEqual({ flushed: 0, calls: 1 });
      expect(await contents(redis)).toEqual({ "list:de:1": "new", "list:de:9": "new", "venue:1": "new" });
      expect(await flushAll(ctx, runId, { repeat: 1 })).toMatchObject({ flushed: 3 });
      expect(await contents(redis)).toEqual({});
    });

    test("keys and values that look like JSON are taken as they are", async () => {
      const values = { '"1"': "[1, 2]", '"2"': "7", "3": "[1, 2]" };
      await store(values);
      const runId = await effects.run([{ table, target: { id: 3 } }]);
      const ctx = context(['"*', "{id}"]);
      expect(await flushAll(ctx, runId)).toMatchObject({ flushed: 3 });
      expect(await contents(redis)).toEqual({});
      await store({ ...values, '"1"': "[1 ,2]", "3": "[1,2 ]" });
      expect(await findStaleKeys(ctx, { runId, repeat: 0 })).toMatchObject({
        repopulated: 2,
        stale: ['"2"'],
      });
    });

    test("one that died before it removed a key removes it when it is repeated, and keeps what it noted first", async () => {
      await store({ "venue:1": "old" });
      const runId = await effects.run([{ table, target: { id: 1 } }]);
      const broken = Object.create(redis.redis, {
        unlink: { value: () => Promise.reject(new Error("killed")) },
      }) as typeof redis.redis;
      const failed = flushCaches(context(["venue:{id}"], { redis: broken }), { runId, repeat: 0, after: 0 });
      await expect(failed).rejects.toThrow(/^Redis is away/);
      const [first] = await effects.notes(runId, "flush");
      expect(first).toMatchObject({ is_done: false, detail: { type: "string" } });
      await store({ "venue:1": "newer" });
      expect(await flushAll(context(["venue:{id}"]), runId)).toMatchObject({ flushed: 1 });
      expect(await contents(redis)).toEqual({});
      expect(await effects.notes(runId, "flush")).toMatchObject([{ is_done: true, detail: first?.detail }]);
    });

    test("one that died after it removed a pattern's key notes that it is gone when it is repeated", async () => {
      const runId = await effects.run([{ table, target: { country: "de" } }]);
      const ctx = context(["list:{country}:*"]);
      // No scan finds it again.
      await noteEffects(ctx.db, { runId, repeat: 0, kind: "flush" }, [
        { name: "list:de:1", detail: { type: "string", digest: "of what it held" } },
      ]);
      expect(await flushAll(ctx, runId)).toMatchObject({ flushed: 1 });
      expect((await effects.notes(runId, "flush")).filter((note) => !note.is_done)).toEqual([]);
    });

    test("a key of ten thousand rows is flushed once, page by page", async () => {
      await store({ all: "x" });
      const items = Array.from({ length: 10_000 }, (_, id): Item => ({ table, target: { id, owner: 1 } }));
      const runId = await effects.run(items);
      let unlinks = 0;
      const counting = Object.create(redis.redis, {
        unlink: { value: (...keys: string[]) => (unlinks++, redis.redis.unlink(...keys)) },
      }) as typeof redis.redis;
      expect(await flushAll(context(["all"], { redis: counting }), runId)).toEqual({ flushed: 1, calls: 1 });
      expect(unlinks).toBe(1);
      expect(await effects.notes(runId, "flush")).toHaveLength(1);
    });

    test("holds no more than two thousand rows at once, with no column that no key needs", async () => {
      const wide = "x".repeat(1_000);
      const items = Array.from({ length: 4_500 }, (_, id): Item => ({ table, target: { id, wide } }));
      const runId = await effects.run(items);
      const ctx = context(["venue:{id}"]);
      const pages: { count: number; bytes: number }[] = [];
      const db = Object.create(ctx.db, {
        execute: {
          value: async (statement: never) => {
            const result = await ctx.db.execute(statement);
            pages.push({ count: result.rows.length, bytes: JSON.stringify(result.rows).length });
            return result;
          },
        },
      }) as typeof ctx.db;
      await flushAll({ ...ctx, db }, runId);
      const rows = pages.filter(({ count }) => count > 1);
      expect(rows.map(({ count }) => count)).toEqual([2_000, 2_000, 500]);
      expect(Math.max(...rows.map(({ bytes }) => bytes))).toBeLessThan(2_000 * 200);
    });

    test("goes on where it was when its time is over, with keys and within a scan", async () => {
      const pipeline = redis.client.pipeline();
      for (let i = 0; i < 3_000; i++) pipeline.set(`venue:${i}`, "x").set(`page:${i % 3}:${i}`, "x");
      await pipeline.exec();
      const items = Array.from({ length: 2_100 }, (_, id): Item => ({ table, target: { id, kind: id % 2 } }));
      const runId = await effects.run(items);
      const ctx = context(["venue:{id}", "page:{kind}:*"]);
      const { flushed, calls } = await flushAll(ctx, runId, { deadline: 0 });
      expect(flushed).toBe(2_100 + 2_000);
      expect(calls).toBeGreaterThan(10);
      expect(await redis.client.dbsize()).toBe(900 + 1_000);
    });

    test("finds the five thousand keys of a pattern among fifty thousand", { timeout: 60_000 }, async () => {
      for (let start = 0; start < 50_000; start += 5_000) {
        const pipeline = redis.client.pipeline();
        for (let i = start; i < start + 5_000; i++)
          pipeline.set(i % 10 === 0 ? `search:de:${i}` : `search:x:${i}`, "v");
        await pipeline.exec();
      }
      const runId = await effects.run([{ table, target: { country: "de" } }]);
      const { flushed } = await flushAll(context(["search:{country}:*"]), runId);
      expect(flushed).toBe(5_000);
      expect(await redis.client.dbsize()).toBe(45_000);
    });

    test("notes keys that Postgres could not hold as they are, and finds them again", async () => {
      const long = "x".repeat(5_000);
      await store({ [`k:${long}`]: "1", "k:a\0b": "2", "pattern:x": "3" });
      const runId = await effects.run([{ table, target: { id: 1, name: "pattern:x" } }]);
      const ctx = context(["k:*", "{name}"]);
      expect(await flushAll(ctx, runId)).toMatchObject({ flushed: 3 });
      expect(await contents(redis)).toEqual({});
      await store({ [`k:${long}`]: "1", "k:a\0b": "2" });
      const { stale } = await findStaleKeys(ctx, { runId, repeat: 0 });
      expect(stale.sort()).toEqual(["k:a\0b", `k:${long}`]);
    });

    test("looking again tells gone, filled anew and stale keys apart; stale ones are flushed once more", async () => {
      await store({ "venue:1": "old", "venue:2": "old", "venue:3": "7", "venue:4": "[1, 2]" });
      await redis.client.hset("venue:5", { a: "1", b: "2" });
      await redis.client.hset("venue:6", { a: "1", b: "2" });
      const runId = await effects.run(
        Array.from({ length: 7 }, (_, i): Item => ({ table, target: { id: i + 1 } })),
      );
      const ctx = context(["venue:{id}"]);
      expect(await flushAll(ctx, runId)).toMatchObject({ flushed: 6 });
      // 7 and 7.0, [1, 2] and [1,2] are one value to a client that parses.
      await store({ "venue:2": "old", "venue:3": "7.0", "venue:4": "[1,2]", "venue:7": "was not there" });
      await redis.client.hset("venue:5", { b: "2", a: "1" });
      await redis.client.hset("venue:6", { b: "1", a: "2" });
      const first = await findStaleKeys(ctx, { runId, repeat: 0 });
      expect(first).toEqual({
        absent: 1,
        repopulated: 3,
        staleCount: 2,
        stale: ["venue:2", "venue:5"],
        flushedAgain: 2,
        next: null,
      });
      expect(await redis.client.exists("venue:2", "venue:5")).toBe(0);
      expect(await findStaleKeys(ctx, { runId, repeat: 0 })).toMatchObject({ absent: 3, staleCount: 0 });
      await store({ "venue:2": "old" });
      const last = await findStaleKeys(ctx, { runId, repeat: 0 });
      expect(last).toMatchObject({ stale: ["venue:2"], flushedAgain: 0 });
      expect(await redis.client.exists("venue:2")).toBe(1);
    });

    test("a long value that changed in length or beginning is told from the old one", async () => {
      const long = "x".repeat(100_000);
      await store({ "venue:1": long, "venue:2": long, "venue:3": long });
      const runId = await effects.run([1, 2, 3].map((id) => ({ table, target: { id } })));
      const ctx = context(["venue:{id}"]);
      await flushAll(ctx, runId);
      await store({ "venue:1": `${long}x`, "venue:2": `y${long.slice(1)}`, "venue:3": long });
      expect(await findStaleKeys(ctx, { runId, repeat: 0 })).toMatchObject({
        repopulated: 2,
        stale: ["venue:3"],
      });
    });

    test("is looked at in parts when there are many keys", async () => {
      const pipeline = redis.client.pipeline();
      for (let i = 0; i < 1_200; i++) pipeline.set(`many:${i}`, "v");
      await pipeline.exec();
      const runId = await effects.run([{ table, target: { id: 1 } }]);
      const ctx = context(["many:*"]);
      await flushAll(ctx, runId);
      const sum = { absent: 0, calls: 0 };
      for (let after: string | null = ""; after !== null; sum.calls++) {
        const part: Awaited<ReturnType<typeof findStaleKeys>> = await findStaleKeys(ctx, {
          runId,
          repeat: 0,
          after,
          deadline: 0,
        });
        sum.absent += part.absent;
        after = part.next;
      }
      expect(sum).toEqual({ absent: 1_200, calls: 3 });
    });
  });
});

describe.skipIf(withoutServer)(`every type of ${realServer}`, () => {
  const redis = useRedis(false);
  test("is flushed, and told stale or filled anew", async () => {
    const raw = redis.client;
    const fill = async (last: string) => {
      await raw.rpush("v:list", "a", last);
      await raw.sadd("v:set", "a", "b", last);
      await raw.zadd("v:zset", { score: 1, member: "a" }, { score: 2, member: last });
      await raw.xadd("v:stream", "1-1", { field: last });
      await raw.hset("v:hash", { field: last });
      await raw.set("v:string", last);
    };
    await fill("z");
    const runId = await effects.run([{ table, target: { id: 1 } }]);
    const ctx = effects.context({ [table]: { cache: ["v:*"] } }, { redis: redis.redis });
    expect(await flushAll(ctx, runId)).toMatchObject({ flushed: 6 });
    expect(await raw.dbsize()).toBe(0);
    await fill("other");
    expect(await findStaleKeys(ctx, { runId, repeat: 0 })).toMatchObject({ repopulated: 6, staleCount: 0 });
    await raw.flushall();
    await fill("z");
    expect(await findStaleKeys(ctx, { runId, repeat: 0 })).toMatchObject({ repopulated: 0, staleCount: 6 });
  });
});

describe("without Redis", () => {
  test("a flush says that it was skipped, and nothing is stale", async () => {
    const runId = await effects.run([{ table, target: { id: 1 } }]);
    const ctx = effects.context({ [table]: { cache: ["v:{id}"] } }, { redis: null });
    expect(await flushCaches(ctx, { runId, repeat: 0, after: 0 })).toEqual({
      flushed: 0,
      next: null,
      skipped: "no Redis",
    });
    expect(await findStaleKeys(ctx, { runId, repeat: 0 })).toMatchObject({ staleCount: 0, next: null });
  });

  test("a table with nothing cached needs none", async () => {
    const runId = await effects.run([{ table, target: { id: 1 } }]);
    const ctx = effects.context({ [table]: {} }, { redis: null });
    expect(await flushCaches(ctx, { runId, repeat: 0, after: 0 })).toEqual({ flushed: 0, next: null });
  });
});

describe("a Redis that goes away", () => {
  const redis = useRedis(true);
  test("fails the call without telling keys, and nothing is lost", async () => {
    const runId = await effects.run([{ table, target: { id: "canary" } }]);
    const ctx = effects.context({ [table]: { cache: ["v:{id}"] } }, { redis: redis.redis });
    await redis.at.stop();
    const error = await flushCaches(ctx, { runId, repeat: 0, after: 0 }).catch((fault: Error) => fault);
    expect(error).toMatchObject({ name: "ServiceError", code: "unavailable" });
    expect(JSON.stringify(error) + String(error)).not.toContain("canary");
    expect(await effects.notes(runId, "flush")).toEqual([]);
  });
});
