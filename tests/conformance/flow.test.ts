import { referenceFunction } from "inngest";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Journal, until, useStage } from "./stage.ts";

const stage = useStage();
const journal = new Journal();
const WORK_MS = 700;
/** Long enough for a second run to show, were there one. */
const SETTLE_MS = 1_500;

describe.concurrent("a function that", () => {
  const child = stage.actor({ id: "child", retries: 0 }, async ({ event, step }) => {
    const doubled = await step.run("double", () => Number(event.data.n) * 2);
    await step.sleep("nap", "1s");
    if (event.data.fail) throw new Error(`child failed on ${event.data.n}`);
    return { doubled, name: event.name };
  });
  const parent = stage.actor({ id: "parent", retries: 0 }, async ({ event, step }) => {
    try {
      return await step.invoke("call", { function: child.fn(), data: event.data });
    } catch (error) {
      return step.run("caught", () => ({ caught: (error as Error).message }));
    }
  });

  test("invokes another waits for it and gets its result", async () => {
    const run = await parent.run({ n: "21" });
    expect(run.output).toEqual({ doubled: 42, name: "inngest/function.invoked" });
  });

  test("invokes one that fails can catch the error", async () => {
    expect((await parent.run({ n: "3", fail: "yes" })).output).toEqual({ caught: "child failed on 3" });
  });

  const family = stage.actor({ id: "family", retries: 0 }, async ({ step }) => {
    const results = await Promise.all(
      ["1", "2", "3"].map((n) => step.invoke(`child ${n}`, { function: child.fn(), data: { n } })),
    );
    return results.map((result) => (result as { doubled: number }).doubled);
  });

  test("invokes several at once gets each result in its place", async () => {
    expect((await family.run()).output).toEqual([2, 4, 6]);
  });

  const lost = stage.actor({ id: "lost", retries: 0 }, async ({ step }) => {
    const nobody = referenceFunction({ functionId: "nobody-there" });
    return step.invoke("call", { function: nobody, data: {} });
  });

  test("invokes one that does not exist fails", async () => {
    expect((await lost.run()).status).toBe("Failed");
  });

  const narrow = stage.actor(
    { id: "narrow", retries: 0, concurrency: [{ limit: 1, key: "event.data.lane" }, { limit: 10 }] },
    async ({ event, step }) => {
      await step.run("work", async () => {
        journal.note(event.data.lane, "in");
        journal.note("all lanes", `in ${event.data.lane}`);
        await sleep(WORK_MS);
        journal.note("all lanes", `out ${event.data.lane}`);
        journal.note(event.data.lane, "out");
      });
    },
  );

  test("has a concurrency of one per key never overlaps with itself, but does with other keys", async () => {
    const lanes = [1, 2, 3].flatMap(() => ["lane a", "lane b"]);
    await stage.client.send(lanes.map((lane) => ({ name: narrow.event, data: { lane } })));
    await until(() => journal.of("all lanes").length >= 2 * lanes.length || undefined);
    const turns = ["in", "out", "in", "out", "in", "out"];
    expect(journal.of("lane a")).toEqual(turns);
    expect(journal.of("lane b")).toEqual(turns);
    const overlaps = journal
      .of("all lanes")
      .some((note, i, all) => note.startsWith("in") && all[i + 1]?.startsWith("in"));
    expect(overlaps).toBe(true);
  });

  const once = stage.actor({ id: "once", retries: 0, idempotency: "event.data.order" }, async ({ event }) => {
    journal.note(event.data.order, "ran");
  });

  test("has an idempotency key runs once for it", async () => {
    await once.send({ order: "order 1" });
    await until(() => journal.of("order 1").length > 0 || undefined);
    await once.send({ order: "order 1" });
    await once.send({ order: "order 2" });
    await until(() => journal.of("order 2").length > 0 || undefined);
    await sleep(SETTLE_MS);
    expect(journal.of("order 1")).toEqual(["ran"]);
  });

  const endless = stage.actor({ id: "endless", retries: 0, timeouts: { finish: "2s" } }, async ({ step }) => {
    await step.sleep("for ever", "1d");
  });

  test("takes longer than its time-out is cancelled", async () => {
    expect((await endless.run()).status).toBe("Cancelled");
  });
});
