import { describe, expect, test } from "vitest";
import { evaluate, holds } from "../../../local/inngest/expressions.ts";

const scope = {
  event: { name: "a", data: { id: "x", n: 3, flag: true, none: null, "with-dash": "d", list: [1, 2] } },
  async: { data: { id: "x", other: "y" } },
};

describe("an expression", () => {
  test.each([
    ["async.data.id == event.data.id", true],
    ["async.data.id == event.data.id && async.data.other == 'y'", true],
    ["async.data.id == event.data.id && async.data.other == 'z'", false],
    ["async.data.other == 'z' || event.data.n == 3", true],
    ["event.data.n != 4", true],
    ["event.data.flag == true", true],
    ["event.data.none == null", true],
    ["event.data.missing == null", true],
    ["event.data.missing.deeper == null", true],
    ["event.data['with-dash'] == \"d\"", true],
    ["(event.data.n == 4 || event.data.n == 3) && event.data.flag", true],
    ["'it\\'s' == \"it's\"", true],
    ["event.data.id == 3", false],
    ["event.data.toString == null", true],
    ["event.data.list == event.data.list", true],
  ])("%s is %s", (expression, expected) => {
    expect(holds(expression, scope)).toBe(expected);
  });

  test("that is a value gives it", () => {
    expect(evaluate("event.data.id", scope)).toBe("x");
    expect(evaluate("event.data.id + '-' + async.data.other", scope)).toBe("x-y");
    expect(evaluate("event.data.n + 1", scope)).toBe(4);
    expect(evaluate("-1.5", scope)).toBe(-1.5);
  });

  test("that is absent holds; one that is not true does not", () => {
    expect(holds(undefined, scope)).toBe(true);
    expect(holds("", scope)).toBe(true);
    expect(holds("event.data.id", scope)).toBe(false);
  });

  test.each([
    "event.data.id ==",
    "event.",
    "== 3",
    "event.data.id = 3",
    "(event.data.n",
    "a b",
    "f(x)",
    "'open",
    "a[b",
    "#",
  ])("%s is refused", (expression) => {
    expect(() => evaluate(expression, scope)).toThrow(SyntaxError);
  });

  test("longer than the limit is refused", () => {
    expect(() => evaluate(`${"a.".repeat(5_000)}a`, scope)).toThrow("too long");
  });
});
