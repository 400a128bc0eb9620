import { expect, test } from "vitest";
import { appliedRows } from "../../../../db/queries/restore-applied-rows.ts";
import {
  fill,
  escapeGlob,
  fillPattern,
  matches,
  toGlob,
} from "../../../../services/restore/effects/templates.ts";
import { parseTemplate } from "../../../../lib/template.ts";
import { matchesGlob } from "../../../../local/redis/memory/glob.ts";
import fc from "fast-check";
import { useEffects } from "./support.ts";

const effects = useEffects();
const table = "public.venues";

const read = async (runId: string, columns: Record<string, string[]>, more = {}) =>
  appliedRows(effects.context({}).db, { runId, after: 0, limit: 100, columns, ...more });

test("rows come as they were and as the restore left them, of each action", async () => {
  const runId = await effects.run([
    { table, action: "insert", target: { id: 1, name: "new" } },
    {
      table,
      action: "update",
      live: { id: 2, name: "bad", open: true },
      target: { id: 2, name: "good", open: false },
      columns: ["name"],
    },
    { table, action: "delete", live: { id: 3, name: "gone" } },
  ]);
  expect(await read(runId, { [table]: ["id", "name", "open"] })).toEqual([
    { position: 1, table, recordId: "1", before: null, after: { id: "1", name: "new", open: null } },
    {
      position: 2,
      table,
      recordId: "2",
      before: { id: "2", name: "bad", open: "true" },
      after: { id: "2", name: "good", open: "true" },
    },
    { position: 3, table, recordId: "3", before: { id: "3", name: "gone", open: null }, after: null },
  ]);
});

test("only what was applied counts, of the tables asked for, with the columns asked for", async () => {
  const runId = await effects.run([
    { table, target: { id: 1, secret: "s" } },
    { table, target: { id: 2 }, outcome: "skipped" },
    { table, target: { id: 3 }, outcome: null },
    { table: "public.others", target: { id: 4 } },
    { table, action: "delete", live: { id: 5 } },
  ]);
  const columns = { [table]: ["id"] };
  expect(await read(runId, columns)).toMatchObject([
    { position: 1, after: { id: "1" } },
    { position: 5, before: { id: "5" } },
  ]);
  expect((await read(runId, columns))[0]?.after).toEqual({ id: "1" });
  expect(await read(runId, columns, { present: true })).toMatchObject([{ position: 1 }]);
  expect(await read(runId, columns, { after: 1 })).toMatchObject([{ position: 5 }]);
  expect(await read(runId, { "public.unknown": ["id"] })).toEqual([]);
});

test("numbers keep their digits, and what JSON loses comes as the text beside it", async () => {
  const runId = await effects.run([{ table, target: { id: 0 } }]);
  await effects.db.rows(
    "superuser",
    `update audit.restore_items set target = '{"id": 9007199254740993.10, "zero": 0}', target_exact = '{"zero": "-0"}' where run_id = $1`,
    [runId],
  );
  expect((await read(runId, { [table]: ["id", "zero"] }))[0]?.after).toEqual({
    id: "9007199254740993.10",
    zero: "-0",
  });
});

test("a template with a null or missing column is not filled", () => {
  const parts = parseTemplate("v:{a}:{b}");
  expect(fill(parts, { a: "1", b: "2" })).toBe("v:1:2");
  expect(fill(parts, { a: "1", b: null })).toBeNull();
  expect(fill(parts, { a: "1" })).toBeNull();
  expect(fillPattern(parseTemplate("v:{a}:*", { wildcards: true }), { a: null })).toBeNull();
});

test("doubled braces are braces, and a star in braces is a star", () => {
  const parts = parseTemplate("{{user:{id}}}:{*}:*", { wildcards: true });
  expect(fillPattern(parts, { id: "7" })).toEqual(["{user:7}:*:", ""]);
  expect(fill(parseTemplate("a*{{{id}}}"), { id: "7" })).toBe("a*{7}");
});

test("whatever a row holds, its pattern matches its own keys alone, and Redis takes it the same way", () => {
  const text = fc.array(fc.constantFrom("*", "?", "[", "]", "^", "-", "\\", "a", "b", ":"), { maxLength: 6 });
  const parts = parseTemplate("p:{v}:*:{v}*", { wildcards: true });
  fc.assert(
    fc.property(text, text, text, text, (a, b, c, d) => {
      const [value, other, middle, end] = [a, b, c, d].map((some) => some.join("")) as [
        string,
        string,
        string,
        string,
      ];
      const pattern = fillPattern(parts, { v: value });
      if (!pattern) throw new Error("not filled");
      expect(matches(pattern, `p:${value}:${middle}:${value}${end}`)).toBe(true);
      for (const key of [
        `p:${other}:${middle}:${other}${end}`,
        `p:${value}`,
        `q:${value}:${middle}:${value}`,
      ]) {
        expect(matchesGlob(toGlob(pattern), key)).toBe(matches(pattern, key));
        if (!key.startsWith(`p:${value}:`)) expect(matches(pattern, key)).toBe(false);
      }
    }),
    { numRuns: 2_000 },
  );
  expect(escapeGlob("a*b?c[d]\\")).toBe("a\\*b\\?c\\[d\\]\\\\");
});
