import { beforeEach, describe, expect, test } from "vitest";
import { defineConfig } from "../../../lib/config.ts";
import { useRestores } from "../../support/restores.ts";
import { act, historyOf, keyOf, start, timeBetween } from "./support.ts";

// A restore waits for its approval, so that others can add rows between plan and apply.
const stage = useRestores({
  config: defineConfig({ tables: {}, restores: { approval: [{ tables: ["public.folders"] }] } }),
});
const { sql } = stage;
const folders = async () => (await sql("select id from folders order by id")).map(({ id }) => id);
const notes = () => sql("select id, folder from notes order by id");
let target: { tables: string[]; at: string };

// Folder 1 was there at the time; folder 2 came after it, and goes with strictDelete.
beforeEach(async () => {
  await sql(`
    drop table if exists notes, labels, folders cascade;
    create table folders (id int primary key);
    create table notes (id int primary key, folder int references folders on delete cascade, text text);
    create table labels (id int primary key, folder int references folders on delete set null);
    grant select on labels to audit_worker;
    select audit.track('folders'), audit.track('notes');
    insert into folders values (1);
    insert into notes values (1, 1);
  `);
  target = { tables: ["public.folders", "public.notes"], at: await timeBetween(stage) };
  await sql("insert into folders values (2)");
});

/** Starts with strictDelete, has others do something, and approves. */
async function approvedAfter(meanwhile: string, options: object = {}) {
  const started = await start(stage, target, { strictDelete: true, ...options }, await keyOf(stage, "alice"));
  expect(started.status, JSON.stringify(started.body)).toBe(202);
  await sql(meanwhile);
  expect((await act(stage, started.body.id, "approve", await keyOf(stage, "bob"))).status).toBe(200);
  return stage.ended(started.body.id);
}

describe("a row that is to go", () => {
  test("goes though a child references it that the same restore gives back to its former parent", async () => {
    await sql("update notes set folder = 2 where id = 1");
    const run = await approvedAfter("select");
    expect(run).toMatchObject({ status: "completed", error: null, appliedCount: 2, skippedCount: 0 });
    expect(await folders()).toEqual([1]);
    expect(await notes()).toEqual([{ id: 1, folder: 1 }]);
  });

  test("stays for a child that the same restore would have given back, where somebody changed that meanwhile", async () => {
    await sql("insert into notes values (2, 1)");
    target.at = await timeBetween(stage);
    await sql("insert into folders values (3); update notes set folder = 3 where id = 2");
    const run = await approvedAfter("update notes set text = 'newer' where id = 2", { onConflict: "skip" });
    expect(run).toMatchObject({ status: "completed", appliedCount: 0, skippedCount: 2 });
    expect(await folders()).toEqual([1, 2, 3]);
    expect(await notes()).toEqual([
      { id: 1, folder: 1 },
      { id: 2, folder: 3 },
    ]);
  });
});

describe.each([
  ["tracked", "insert into notes values (9, 2)", "select folder from notes where id = 9"],
  ["untracked", "insert into labels values (9, 2)", "select folder from labels where id = 9"],
])("a row that is to go and got an %s child between plan and apply", (_, insert, child) => {
  test.each(["fail", "overwrite"])(
    "is a conflict by name with %s, and nothing is lost",
    async (onConflict) => {
      const run = await approvedAfter(insert, { onConflict });
      expect(run).toMatchObject({
        status: "failed",
        report: { stop: { state: "conflict", rows: 1, items: [{ table: "public.folders", recordId: "2" }] } },
      });
      expect(await folders()).toEqual([1, 2]);
      expect(await sql(child)).toEqual([{ folder: 2 }]);
      expect(await historyOf(stage, run.id)).toEqual([]);
    },
  );

  test("stays with skip, and so does the child", async () => {
    const run = await approvedAfter(insert, { onConflict: "skip" });
    expect(run).toMatchObject({ status: "completed", appliedCount: 0, skippedCount: 1 });
    expect(await folders()).toEqual([1, 2]);
    expect(await sql(child)).toEqual([{ folder: 2 }]);
  });
});
