import { describe, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { shareFor, within } from "../../lib/promises.ts";

describe("shareFor", () => {
  test("runs a task once for all who ask while it runs and shortly after, then anew", async () => {
    let runs = 0;
    // Long enough to ask again within it on a busy machine.
    const ask = shareFor(1_000, async () => {
      await sleep(20);
      return ++runs;
    });
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([1, 1, 1]);
    expect(await ask()).toBe(1);
    await expect.poll(ask, { timeout: 10_000 }).toBe(2);
  });

  test("shares a failure, and tries again after", async () => {
    let runs = 0;
    const ask = shareFor(20, async () => {
      if (++runs === 1) throw new Error("first");
      return runs;
    });
    await expect(Promise.all([ask(), ask()])).rejects.toThrow("first");
    await expect.poll(() => ask().catch(() => 0), { timeout: 10_000 }).toBe(2);
  });
});

describe("within", () => {
  test("gives what a promise gives in time, and its failure", async () => {
    expect(await within(1_000, Promise.resolve(1))).toBe(1);
    await expect(within(1_000, Promise.reject(new Error("x")))).rejects.toThrow("x");
  });

  test("rejects when it takes longer, and a later failure goes unnoticed", async () => {
    const late = sleep(30).then(() => {
      throw new Error("late");
    });
    await expect(within(5, late)).rejects.toThrow("5 ms");
    await sleep(40);
  });
});
