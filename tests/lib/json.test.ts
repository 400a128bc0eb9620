import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JsonError, parseStorableJson } from "../../lib/json.ts";
import { useDatabase } from "../support/database.ts";

const db = useDatabase();

function refusal(text: string): { path: string; code: string } {
  try {
    parseStorableJson(text);
  } catch (error) {
    if (error instanceof JsonError) return { path: error.path, code: error.code };
    throw error;
  }
  throw new Error(`passed: ${text.slice(0, 80)}`);
}

describe("parseStorableJson", () => {
  test("whatever passes comes back from Postgres as it was sent", async () => {
    const storable = fc.json({ maxDepth: 6 }).filter((text) => {
      try {
        parseStorableJson(text);
        return true;
      } catch {
        return false;
      }
    });
    await fc.assert(
      fc.asyncProperty(storable, async (text) => {
        const value = parseStorableJson(text);
        const [row] = await db.rows<{ value: unknown }>(
          "app",
          "select jsonb_build_array($1::jsonb) as value",
          [JSON.stringify(value)],
        );
        expect(row?.value).toEqual([JSON.parse(JSON.stringify(value))]);
      }),
      { numRuns: 300 },
    );
  });

  test("any text at all either parses or is a JsonError", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        try {
          parseStorableJson(text);
        } catch (error) {
          expect(error).toBeInstanceOf(JsonError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ["", "", "malformed_json"],
    ["{", "", "malformed_json"],
    ["NaN", "", "malformed_json"],
    ["[1,]", "", "malformed_json"],
    ['"\\u0000"', "", "nul_character"],
    ['{"a":[{"b":"x\\u0000"}]}', "a[0].b", "nul_character"],
    ['{"a":{"\\u0000":1}}', "a", "nul_character"],
    ['["\\ud800"]', "[0]", "lone_surrogate"],
    ['["\\udc00\\ud800"]', "[0]", "lone_surrogate"],
    ['{"\\ud800":1}', "", "lone_surrogate"],
    ["1e400", "", "inexact_number"],
    ['{"a":-1e999}', "a", "inexact_number"],
    ["9007199254740992", "", "inexact_number"],
    ["[-9007199254740993]", "[0]", "inexact_number"],
    ["123456789012345678901234567890", "", "inexact_number"],
  ])("refuses %s at '%s' as %s", (text, path, code) => {
    expect(refusal(text)).toEqual({ path, code });
  });

  test.each([
    "9007199254740991",
    "-9007199254740991",
    "0.1",
    "1e-7",
    "-0",
    "1.7976931348623157e-308",
    '"😀"',
  ])("lets %s pass", (text) => {
    expect(parseStorableJson(text)).toBe(JSON.parse(text));
  });

  test("takes 32 levels of arrays and objects and no more, however deep the rest is", () => {
    const deep = (levels: number) => '{"a":['.repeat(levels / 2) + "]}".repeat(levels / 2);
    expect(parseStorableJson(deep(32))).toEqual(JSON.parse(deep(32)));
    expect(refusal(deep(34)).code).toBe("too_deep");
    expect(refusal(deep(400_000)).code).toBe("too_deep");
  });

  test("names a place in moderate length, however long the keys are", () => {
    expect(refusal(`{"${"k".repeat(100_000)}":"\\u0000"}`).path.length).toBeLessThan(300);
  });

  test("keeps keys that mean something to JavaScript", () => {
    const value = parseStorableJson('{"__proto__":{"x":1},"constructor":2}') as object;
    expect(Object.keys(value)).toEqual(["__proto__", "constructor"]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });
});
