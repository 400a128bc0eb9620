import { expect, test } from "vitest";
import { z } from "zod";
import { checkInput } from "../../lib/input-faults.ts";

const CANARY = "canary-5c1e";
const within = (schema: z.ZodType) => z.strictObject({ field: schema });
const faultsOf = (schema: z.ZodType, value: unknown) => checkInput(within(schema), value).faults;

const schemas: [name: string, schema: z.ZodType, wrong: unknown, message: string][] = [
  ["text", z.string(), 1, "must be text"],
  ["a number", z.number(), CANARY, "must be a number"],
  ["a whole number", z.int(), 1.5, "must be a whole number"],
  ["a flag", z.boolean(), CANARY, "must be true or false"],
  ["a list", z.array(z.string()), CANARY, "must be a list"],
  ["an object", z.strictObject({}), [CANARY], "must be an object"],
  ["an object by name", z.record(z.string(), z.string()), CANARY, "must be an object"],
  ["one of some", z.enum(["open", "closed", "lost"]), CANARY, "must be open, closed or lost"],
  ["one value", z.literal("csv"), CANARY, "must be csv"],
  ["a least number", z.number().min(1), 0, "must be at least 1"],
  ["a greatest number", z.number().max(1_000), 1_001, "must be at most 1000"],
  ["text that is filled", z.string().min(1), "", "must not be empty"],
  ["text of a least length", z.string().min(30), CANARY, "must have at least 30 characters"],
  ["text of a greatest length", z.string().max(3), CANARY, "must have at most 3 characters"],
  ["a list that is filled", z.array(z.string()).min(1), [], "must not be empty"],
  ["a short list", z.array(z.string()).max(2), Array(3).fill(CANARY), "must have at most 2 items"],
  ["a UUID", z.uuid(), CANARY, "must be a UUID"],
  ["a pattern", z.string().regex(/^x$/), CANARY, "is not valid"],
  [
    "a name",
    z.record(z.string().max(3), z.string()),
    { [CANARY]: "" },
    "has a name that must have at most 3",
  ],
  ["several", z.union([z.boolean(), z.number()]), CANARY, "is not valid"],
  ["a check without words", z.string().refine(() => false), CANARY, "is not valid"],
];

test.each(schemas)("%s: what is wrong is said in words, and quotes nothing", (_, schema, wrong, message) => {
  const faults = faultsOf(schema, { field: wrong });
  expect(faults?.map((one) => one.message)).toEqual([expect.stringContaining(message)]);
  expect(JSON.stringify(faults?.map((one) => one.message))).not.toContain(CANARY);
  expect(faults?.[0].path[0]).toBe("field");
});

test.each(schemas)("%s that is missing is required", (_, schema) => {
  expect(faultsOf(schema, {})).toEqual([
    { path: ["field"], code: expect.stringMatching(/^invalid_/), message: "is required" },
  ]);
});

test("each unknown field is a fault of its own, in its place", () => {
  const value = { field: { known: 1, [CANARY]: 1 }, other: 1 };
  expect(faultsOf(z.strictObject({ known: z.int() }), value)).toEqual([
    { path: ["field", CANARY], code: "unrecognized_keys", message: "is not a known field" },
    { path: ["other"], code: "unrecognized_keys", message: "is not a known field" },
  ]);
});

test("a schema's own words stand, and of alternatives the one that knows the fields is meant", () => {
  expect(faultsOf(z.uuid("must be the id of a key"), { field: CANARY })?.[0].message).toBe(
    "must be the id of a key",
  );
  const either = z.union([z.strictObject({ id: z.int() }), z.strictObject({ name: z.string() })]);
  expect(faultsOf(either, { field: { id: CANARY } })).toEqual([
    { path: ["field", "id"], code: "invalid_type", message: "must be a number" },
  ]);
});

test("of a thousand faults the first hundred are told", () => {
  const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`x${i}`, 1]));
  expect(checkInput(z.strictObject({}), many).faults).toHaveLength(100);
  expect(checkInput(z.array(z.string()), Array(1_000).fill(1)).faults).toHaveLength(100);
});

test("what fits is read as the schema reads it", () => {
  expect(checkInput(z.string().default("x"), undefined)).toEqual({ data: "x" });
});
