import { describe, expect, test } from "vitest";
import { BACKOFF_MS, backoff } from "../../../local/inngest/backoff.ts";
import { nextTick } from "../../../local/inngest/crons.ts";
import { seededUlid, ulid } from "../../../local/inngest/ids.ts";
import { durationMs, momentOf } from "../../../local/inngest/time-strings.ts";

const from = new Date("2026-03-28T12:34:56.789Z");

describe("a time string", () => {
  test.each([
    ["300ms", 300],
    ["1s", 1_000],
    ["1.5s", 1_500],
    ["2h45m", 9_900_000],
    ["1d", 86_400_000],
    ["1w2d", 777_600_000],
    ["1500us", 1.5],
    ["", 0],
  ])("%s is %d ms", (text, ms) => {
    expect(durationMs(text)).toBe(ms);
  });

  test.each(["1", "s", "1x", "1s ", "-1s", "1h-2m", "1.s"])("%s is refused", (text) => {
    expect(() => durationMs(text)).toThrow(RangeError);
  });

  test("counts from a moment; a date names one", () => {
    expect(momentOf("1h", from).toISOString()).toBe("2026-03-28T13:34:56.789Z");
    expect(momentOf("2027-01-02T03:04:05Z", from).toISOString()).toBe("2027-01-02T03:04:05.000Z");
    expect(() => momentOf("2027-99-99", from)).toThrow(RangeError);
  });
});

describe("a cron's next tick", () => {
  test.each([
    ["TZ=UTC 0 2 * * *", "2026-03-29T02:00:00.000Z"],
    ["0 2 * * *", "2026-03-29T02:00:00.000Z"],
    ["TZ=UTC */15 * * * *", "2026-03-28T12:45:00.000Z"],
    ["TZ=America/New_York 0 9 * * *", "2026-03-28T13:00:00.000Z"],
    // Clocks go forward in Berlin at 02:00 on the 29th: 09:00 is 07:00 UTC from then on.
    ["TZ=Europe/Berlin 0 9 * * *", "2026-03-29T07:00:00.000Z"],
    ["0 1 1 * *", "2026-04-01T01:00:00.000Z"],
    ["0 0 * * 1", "2026-03-30T00:00:00.000Z"],
  ])("of %s is %s", (expression, expected) => {
    expect(nextTick(expression, from)?.toISOString()).toBe(expected);
  });

  test("is always later than the moment it is asked for", () => {
    const tick = nextTick("TZ=UTC 0 2 * * *", new Date("2026-03-29T02:00:00.000Z"));
    expect(tick?.toISOString()).toBe("2026-03-30T02:00:00.000Z");
  });

  test.each(["", "nonsense", "61 * * * *", "* * * *", "* * * * * *", "TZ=Nowhere/Land 0 2 * * *", "@daily"])(
    "of %j is refused",
    (expression) => {
      expect(() => nextTick(expression, from)).toThrow();
    },
  );
});

describe("a back-off", () => {
  test("that is given is used as it is, its last entry repeating", () => {
    const wait = backoff([100, 200]);
    expect([0, 1, 2, 9].map(wait)).toEqual([100, 200, 200, 200]);
  });

  test("by default is Inngest's, with up to 30 s on top", () => {
    for (const [attempt, base] of BACKOFF_MS.entries()) {
      const wait = backoff()(attempt);
      expect(wait).toBeGreaterThanOrEqual(base);
      expect(wait).toBeLessThanOrEqual(base + 30_000);
    }
  });
});

describe("an id", () => {
  test("is a ULID that sorts by time", () => {
    expect(ulid(0, Buffer.alloc(10))).toBe("00000000000000000000000000");
    expect(ulid(1_469_918_176_385)).toMatch(/^01ARYZ6S41[0-9A-HJKMNP-TV-Z]{16}$/);
    expect(ulid(2) > ulid(1)).toBe(true);
  });

  test("from a seed is the same each time, another for each index, and none without a valid seed", () => {
    const seed = `1743130137367,${Buffer.alloc(10, 7).toString("base64")}`;
    expect(seededUlid(seed, 1)).toBe(seededUlid(seed, 1));
    expect(seededUlid(seed, 1)).not.toBe(seededUlid(seed, 2));
    for (const bad of [undefined, "", "x", "1,short", `-1,${Buffer.alloc(10).toString("base64")}`]) {
      expect(seededUlid(bad, 1)).toBeUndefined();
    }
  });
});
