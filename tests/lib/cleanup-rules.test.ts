import { describe, expect, test } from "vitest";
import { digestOf, inWords, toSql } from "../../lib/cleanup-rules.ts";
import { defineConfig } from "../../lib/config.ts";

type Input = Parameters<typeof defineConfig>[0];

const age = { column: "created_at", olderThan: "90 days" };
const rule = (more: object = {}) => ({ table: "public.siren_events", where: [age], ...more });
const rulesOf = (...retention: object[]) => defineConfig({ tables: {}, retention } as Input).retention;

describe("a rule of the retention", () => {
  test.each<[string, object[], string]>([
    ["no schema", [rule({ table: "siren_events" })], "retention[0].table: is schema.name"],
    ["a table of the log", [rule({ table: "audit.audit_events" })], "is not a table of the application"],
    ["a catalog", [rule({ table: "pg_catalog.pg_class" })], "is not a table of the application"],
    ["SQL", [rule({ where: "created_at < now()" })], "retention[0].where: is a list of conditions"],
    ["no condition", [rule({ where: [] })], "has no age, so rows would go as soon as they came"],
    [
      "no age",
      [rule({ where: [{ column: "status", in: ["sent"] }] })],
      'add { column: "created_at", olderThan: "90 days" }',
    ],
    ["a month", [rule({ where: [{ ...age, olderThan: "3 months" }] })], "whole hours, days or weeks"],
    ["no time at all", [rule({ where: [{ ...age, olderThan: "0 days" }] })], "whole hours, days or weeks"],
    ["a number", [rule({ where: [{ ...age, olderThan: 90 }] })], 'olderThan: is an age: "30 days"'],
    [
      "an unknown condition",
      [rule({ where: [{ column: "a", newerThan: "1 day" }] })],
      "newerThan: not known here",
    ],
    ["no value", [rule({ where: [age, { column: "status", in: [] }] })], "where[1].in: names no value"],
    [
      "a null",
      [rule({ where: [age, { column: "status", in: [null] }] })],
      "is text, a whole number, true or false",
    ],
    [
      "one column twice",
      [rule({ where: [age, { ...age, olderThan: "1 day" }] })],
      "two conditions on one column",
    ],
    ["no bound", [rule({ rowsPerRun: 0 })], "retention[0].rowsPerRun: is 1 to 400000 rows"],
    ["an unknown setting", [rule({ limit: 1 })], "limit: not known here; use table, where, rowsPerRun"],
    ["a rule twice", [rule(), rule({ rowsPerRun: 1 })], "retention: has a rule twice"],
    ["31 rules", Array.from({ length: 31 }, (_, i) => rule({ table: `public.t${i}` })), "more than 30 rules"],
  ])("with %s is refused, and the error says what to write", (_what, retention, message) => {
    expect(() => rulesOf(...retention)).toThrow(message);
  });

  test("says in words what it deletes, and in seconds what the database asks", () => {
    const [one] = rulesOf(rule({ where: [{ column: "status", in: ["sent", "failed"] }, age] }));
    if (one === undefined) throw new Error("no rule");
    expect(inWords(one)).toBe(
      "public.siren_events where status is sent or failed and created_at is older than 90 days",
    );
    expect(toSql(one)).toEqual({
      table: "public.siren_events",
      where: [
        { column: "status", in: ["sent", "failed"] },
        { column: "created_at", seconds: 7_776_000 },
      ],
    });
  });

  test("is another one when it deletes other rows, and the same when only its bound changes", () => {
    const [one, other] = rulesOf(rule(), rule({ where: [{ ...age, olderThan: "91 days" }] }));
    const [bounded] = rulesOf(rule({ rowsPerRun: 5 }));
    if (!one || !other || !bounded) throw new Error("no rule");
    expect(digestOf(one)).toBe(digestOf(bounded));
    expect(digestOf(one)).not.toBe(digestOf(other));
  });
});
