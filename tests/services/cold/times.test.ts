import { expect, test } from "vitest";
import { dateMicros, fromMicros, toDate, toMicros } from "../../../services/cold/times.ts";

test.each([
  ["2026-01-31 12:00:00+00", 1_769_860_800_000_000n],
  ["2026-01-31 12:00:00.1+00", 1_769_860_800_100_000n],
  ["2026-01-31 12:00:00.000001+00", 1_769_860_800_000_001n],
  ["1969-12-31 23:59:59.999999+00", -1n],
  ["1969-12-31 23:59:58.5+00", -1_500_000n],
  ["1900-01-01 00:00:00+00", -2_208_988_800_000_000n],
])("%s is a number of microseconds, and the way back", (text, micros) => {
  expect(toMicros(text)).toBe(micros);
  expect(fromMicros(micros)).toBe(text);
});

test("a Date is the millisecond before, as the driver has it", () => {
  expect(toDate(-1n)).toEqual(new Date("1969-12-31T23:59:59.999Z"));
  expect(toDate(1_769_860_800_000_999n)).toEqual(new Date("2026-01-31T12:00:00.000Z"));
  expect(toDate(dateMicros(new Date(5)))).toEqual(new Date(5));
});
