import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineConfig } from "../../../lib/config.ts";
import { holdsOn } from "../../support/holds.ts";
import { useRestores } from "../../support/restores.ts";
import { act, keyOf, rollback, start, timeBetween } from "./support.ts";

// A restore waits for its approval, so that holds can be placed between plan and apply.
const stage = useRestores({
  config: defineConfig({ tables: {}, restores: { approval: [{ tables: ["public.guests"] }] } }),
});
const { sql } = stage;
const holds = holdsOn(stage.db);
const ids = async (table: string) => (await sql(`select id from ${table} order by id`)).map(({ id }) => id);

beforeEach(() =>
  sql(`
    drop table if exists guests, songs;
    create table guests (id int primary key, seat int);
    create table songs (id int primary key);
    select audit.track('guests'), audit.track('songs');
  `),
);
afterEach(() => holds.release());

/** Rows 1, 2 and 3, which came after the point that is restored. */
async function filled(table: string) {
  const at = await timeBetween(stage);
  await sql(`insert into ${table} (id) select generate_series(1, 3)`);
  return { tables: [`public.${table}`], at };
}

const held = (id: string) => ({ code: "held", severity: "blocking", count: 1, recordIds: [id] });

/** Starts to delete rows 1, 2 and 3, has others do something, and approves. */
async function approvedAfter(meanwhile: () => Promise<unknown>, options: object = {}) {
  const target = await filled("guests");
  const more = { strictDelete: true, ...options };
  const started = await start(stage, target, more, await keyOf(stage, "alice"));
  expect(started.status, JSON.stringify(started.body)).toBe(202);
  await meanwhile();
  return async () => {
    await act(stage, started.body.id, "approve", await keyOf(stage, "bob"));
    return stage.ended(started.body.id);
  };
}

describe("a row under a hold", () => {
  test("is named in the plan that would delete it, which cannot start until the hold is released", async () => {
    const target = await filled("songs");
    await holds.place("public.songs", "2");
    const { body } = await stage.preview(target, { strictDelete: true });
    expect(body.problems).toMatchObject([
      { ...held("2"), message: expect.stringContaining("DELETE /api/holds/") },
    ]);
    expect((await start(stage, target, { strictDelete: true })).status).toBe(409);
    expect(await ids("songs")).toEqual([1, 2, 3]);
    await holds.release();
    expect(await stage.restore(target, { strictDelete: true })).toMatchObject({ status: "completed" });
    expect(await ids("songs")).toEqual([]);
  });

  test("is known by the name that its table has today and by the one in its history", async () => {
    const target = await filled("songs");
    await sql("alter table songs rename to tunes");
    await holds.place("public.tunes", "1");
    await holds.place("public.songs", "3");
    const { body } = await stage.preview({ tables: ["public.tunes"], at: target.at }, { strictDelete: true });
    expect(body.problems.map(({ recordIds }: { recordIds: string[] }) => recordIds).sort()).toEqual([
      ["1"],
      ["3"],
    ]);
    await sql("drop table tunes");
  });

  test("keeps a rollback from deleting it again", async () => {
    await sql("insert into songs values (1), (2)");
    const target = { tables: ["public.songs"], at: await timeBetween(stage) };
    await sql("delete from songs");
    const { id } = await stage.restore(target);
    await holds.place("public.songs", "2");
    const refused = await act(stage, id, "rollback");
    expect([refused.status, JSON.stringify(refused.body)]).toEqual([
      409,
      expect.stringContaining("then roll back again"),
    ]);
    expect(await ids("songs")).toEqual([1, 2]);
    await holds.release();
    expect(await rollback(stage, id)).toMatchObject({ status: "completed" });
    expect(await ids("songs")).toEqual([]);
  });

  test("does not stand in the way of a restore that changes it", async () => {
    await sql("alter table songs add title text; insert into songs values (1, 'old')");
    const target = { tables: ["public.songs"], at: await timeBetween(stage) };
    await sql("update songs set title = 'bad'");
    await holds.place("public.songs", "1");
    expect(await stage.restore(target)).toMatchObject({ status: "completed" });
    expect(await sql("select title from songs")).toEqual([{ title: "old" }]);
  });
});

describe("a hold that is placed between plan and apply", () => {
  test.each(["fail", "skip", "overwrite"])("stops the restore with onConflict %s", async (onConflict) => {
    const approve = await approvedAfter(() => holds.place("public.guests", "2"), { onConflict });
    expect(await approve()).toMatchObject({
      status: "failed",
      appliedCount: 0,
      error: expect.stringContaining("legal hold"),
      report: { stop: { state: "held", rows: 1, items: [{ table: "public.guests", recordId: "2" }] } },
    });
    expect(await ids("guests")).toEqual([1, 2, 3]);
  });

  test("does so even if it is just being placed when the rows are to go, until it is released and somebody resumes", async () => {
    const approve = await approvedAfter(async () => undefined);
    const run = await holds.whilePlacing("public.guests", "2", approve);
    expect(run).toMatchObject({ status: "failed", report: { stop: { state: "held" } } });
    expect(await ids("guests")).toEqual([1, 2, 3]);
    await holds.release();
    await act(stage, run.id, "resume");
    expect(await stage.ended(run.id)).toMatchObject({ status: "completed", appliedCount: 3 });
  });

  test("does not concern a row that is left as it is", async () => {
    const approve = await approvedAfter(
      async () => {
        await sql("update guests set seat = 1 where id = 2");
        await holds.place("public.guests", "2");
      },
      { onConflict: "skip" },
    );
    expect(await approve()).toMatchObject({ status: "completed", appliedCount: 2, skippedCount: 1 });
    expect(await ids("guests")).toEqual([2]);
  });
});
