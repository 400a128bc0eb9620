import { describe, expect, test } from "vitest";
import { lastWeek, parseWeek, weekOf } from "../../lib/iso-week.ts";

describe("a week of ISO 8601", () => {
  // By the standard's own rule: the week belongs to the year of its Thursday.
  test.each([
    ["2026-11-21T12:00:00Z", "2026-W47"],
    ["2026-11-16T00:00:00Z", "2026-W47"],
    ["2026-11-15T23:59:59.999Z", "2026-W46"],
    ["2027-01-01T00:00:00Z", "2026-W53"],
    ["2027-01-03T23:59:59Z", "2026-W53"],
    ["2027-01-04T00:00:00Z", "2027-W01"],
    ["2024-12-30T00:00:00Z", "2025-W01"],
    ["2021-01-03T00:00:00Z", "2020-W53"],
  ])("of %s is %s", (time, name) => {
    expect(weekOf(new Date(time)).name).toBe(name);
  });

  test("read by its name is the one that has it, from Monday to Monday", () => {
    for (let day = Date.UTC(2019, 0, 1); day < Date.UTC(2033, 0, 1); day += 86_400_000) {
      const week = weekOf(new Date(day));
      expect(parseWeek(week.name)).toEqual(week);
      expect(week.startsAt.getUTCDay()).toBe(1);
      expect(week.startsAt.getTime()).toBeLessThanOrEqual(day);
      expect(week.endsAt.getTime()).toBeGreaterThan(day);
    }
  });

  test.each(["2026-W00", "2026-W54", "2025-W53", "2026-W5", "2026W47", "", "2026-W47 "])(
    "%o is none",
    (name) => {
      expect(parseWeek(name)).toBeNull();
    },
  );

  test("before a Monday's is the one that ended as it began", () => {
    expect(lastWeek(new Date("2026-11-23T04:00:00Z")).name).toBe("2026-W47");
  });
});
