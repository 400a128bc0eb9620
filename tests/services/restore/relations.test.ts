import { beforeEach, describe, expect, test } from "vitest";
import { CHUNK_ROWS } from "../../faults/restore-data.ts";
import { planUndo, start as startPlan } from "../../faults/restore-service.ts";
import { usePlans } from "./stage.ts";

const stage = usePlans();
const { sql } = stage;

/** Drops what a test made before, so that each begins with tables of its own. */
beforeEach(async () => {
  await sql("drop schema if exists app cascade; create schema app");
});

const state = async (...names: string[]) => Promise.all(names.map((name) => stage.table(`app.${name}`)));
const refusal = async (target: unknown, options?: unknown) => {
  const { status, body } = await stage.call("POST", "/restores", {
    body: { target, options: options ?? {}, reason: "r" },
  });
  return {
    status,
    detail: body.detail as string,
    codes: body.errors?.map(({ code }: { code: string }) => code),
  };
};

describe("what went with a row", () => {
  test("by ON DELETE CASCADE comes back over three levels, and nothing else", async () => {
    await sql(`
      create table app.a (id int primary key, v text);
      create table app.b (id int primary key, a int references app.a on delete cascade);
      create table app.c (id int primary key, b int references app.b on delete cascade);
      create table app.d (id int primary key, c int references app.c on delete cascade);
      select audit.track(t) from unnest(array['app.a', 'app.b', 'app.c', 'app.d']::regclass[]) t;
      insert into app.a values (1), (2); insert into app.b select n, 1 + n % 2 from generate_series(1, 4) n;
      insert into app.c select n, 1 + n % 4 from generate_series(1, 8) n; insert into app.d select n, 1 + n % 8 from generate_series(1, 16) n;`);
    await sql("delete from app.d where id = 1");
    const before = await state("a", "b", "c", "d");
    await stage.as("eve", "delete from app.a where id = 1; delete from app.d where id = 2");
    const run = await stage.restored({ table: "app.a", recordId: "1" });
    const rest = await state("a", "b", "c", "d");
    expect(rest.slice(0, 3)).toEqual(before.slice(0, 3));
    // What the same transaction deleted by itself is not the cascade's.
    expect(before[3]?.filter((row) => !rest[3]?.includes(row)).length).toBeLessThanOrEqual(1);
    expect(run.tables).toMatchObject([
      { name: "app.a" },
      { name: "app.b" },
      { name: "app.c" },
      { name: "app.d" },
    ]);
  });

  test("by SET NULL and SET DEFAULT references it again, through several columns", async () => {
    await sql(`
      create table app.a (id int primary key);
      create table app.n (id int primary key, one int references app.a on delete set null, two int references app.a on delete set null, note text);
      create table app.d (id int primary key, a int default 9 references app.a on delete set default);
      select audit.track('app.a'), audit.track('app.n'), audit.track('app.d');
      insert into app.a values (1), (2), (9); insert into app.n values (1, 1, 1), (2, 1, 2), (3, 2, 2); insert into app.d values (1, 1);`);
    const before = await state("a", "n", "d");
    await sql("delete from app.a where id = 1");
    await sql("update app.n set note = 'later' where id = 1");
    await stage.restored({ table: "app.a", recordId: "1" });
    expect(await state("a", "n", "d")).toEqual([
      before[0],
      ["(1,1,1,later)", ...(before[1] ?? []).slice(1)],
      before[2],
    ]);
  });

  test("and references something else by now is a conflict, and stays where it is with skip", async () => {
    await sql(`
      create table app.a (id int primary key); create table app.n (id int primary key, a int references app.a on delete set null);
      select audit.track('app.a'), audit.track('app.n'); insert into app.a values (1), (2); insert into app.n values (1, 1), (2, 1);`);
    await sql("delete from app.a where id = 1");
    await sql("update app.n set a = 2 where id = 2");
    const target = { table: "app.a", recordId: "1" };
    expect(await stage.problems(target)).toEqual(["conflict changed_since"]);
    expect(await refusal(target)).toMatchObject({ status: 409, codes: ["changed_since"] });
    expect(await stage.restore(target, { onConflict: "skip" })).toMatchObject({
      appliedCount: 2,
      skippedCount: 1,
    });
    expect(await state("n")).toEqual([["(1,1)", "(2,2)"]]);
  });

  test("comes back under the key it had, where keys changed by ON UPDATE CASCADE before", async () => {
    await sql(`
      create table app.a (id int primary key);
      create table app.b (a int references app.a on update cascade on delete cascade, n int, v text, primary key (a, n));
      select audit.track('app.a'), audit.track('app.b'); insert into app.a values (1); insert into app.b values (1, 1, 'x'), (1, 2, 'y');`);
    const before = await state("a", "b");
    const at = await stage.moment();
    await sql("update app.a set id = 5 where id = 1");
    await sql("delete from app.a where id = 5");
    await stage.restored({ table: "app.a", recordId: "1", to: { time: at } });
    expect(await state("a", "b")).toEqual(before);
  });

  test("comes back with a row that has been made again since", async () => {
    await sql(`
      create table app.a (id int primary key, v text); create table app.b (id int primary key, a int references app.a on delete cascade);
      select audit.track('app.a'), audit.track('app.b'); insert into app.a values (1, 'x'); insert into app.b values (1, 1);`);
    const before = await state("a", "b");
    const at = await stage.moment();
    await sql("delete from app.a");
    await sql("insert into app.a values (1, 'new')");
    await sql("delete from app.a");
    await sql("insert into app.a values (1, 'newer')");
    await stage.restored({ table: "app.a", recordId: "1", to: { time: at } });
    expect(await state("a", "b")).toEqual(before);
  });

  test("but was made after the point does not come back", async () => {
    await sql(`
      create table app.a (id int primary key); create table app.b (id int primary key, a int references app.a on delete cascade);
      select audit.track('app.a'), audit.track('app.b'); insert into app.a values (1); insert into app.b values (1, 1);`);
    const before = await state("a", "b");
    const at = await stage.moment();
    await sql("insert into app.b values (2, 1)");
    await sql("delete from app.a");
    await stage.restored({ tables: ["app.a"], at });
    expect(await state("a", "b")).toEqual(before);
  });
});

describe("missing parents", () => {
  test("come along, and theirs", async () => {
    await sql(`
      create table app.a (id int primary key); create table app.b (id int primary key, a int references app.a);
      create table app.c (id int primary key, b int references app.b);
      select audit.track('app.a'), audit.track('app.b'), audit.track('app.c');
      insert into app.a values (1), (2); insert into app.b values (1, 1), (2, 1); insert into app.c values (1, 1);`);
    await sql("delete from app.c");
    await sql("delete from app.b");
    await sql("delete from app.a where id = 1");
    const run = await stage.restored({ table: "app.c", recordId: "1" });
    expect(run.items).toMatchObject([{ table: "app.a" }, { table: "app.b" }, { table: "app.c" }]);
    expect(await state("a", "b", "c")).toEqual([["(1)", "(2)"], ["(1,1)"], ["(1,1)"]]);
  });

  test("come along by a composite key in another order, and by a unique column that is no key", async () => {
    await sql(`
      create table app.a (x int, y text, code text unique not null, primary key (x, y));
      create table app.b (id int primary key, ay text, ax int, foreign key (ay, ax) references app.a (y, x));
      create table app.c (id int primary key, code text references app.a (code));
      select audit.track('app.a'), audit.track('app.b'), audit.track('app.c');
      insert into app.a values (1, 'k', 'one'), (2, 'k', 'two'); insert into app.b values (1, 'k', 1); insert into app.c values (1, 'two');`);
    const before = await state("a", "b", "c");
    await sql("delete from app.b");
    await sql("delete from app.c");
    await sql("delete from app.a");
    await stage.restored({ table: "app.b", recordId: "1" });
    await stage.restored({ table: "app.c", recordId: "1" });
    expect(await state("a", "b", "c")).toEqual(before);
  });

  test("that the history does not know are refused by name", async () => {
    await sql(`
      create table app.a (id int primary key); create table app.b (id int primary key, a int references app.a);
      insert into app.a values (1); select audit.track('app.b'); insert into app.b values (1, 1);`);
    await sql("delete from app.b");
    await sql("delete from app.a");
    const target = { table: "app.b", recordId: "1" };
    // The worker cannot see a table that is not tracked; the constraint answers.
    expect(await stage.problems(target)).toEqual(["note unseen_parent"]);
    const run = await stage.restore(target);
    expect(run).toMatchObject({ status: "failed", appliedCount: 0 });
    expect(JSON.stringify(run)).toMatch(/b_a_fkey/);
    await sql("select audit.track('app.a')");
    expect(await refusal(target)).toMatchObject({ status: 409, codes: ["missing_parent"] });
    expect((await refusal(target)).detail).toMatch(/app\.a .*b_a_fkey/);
  });

  test("that have another key by now are refused by name", async () => {
    await sql(`
      create table app.a (id int primary key); create table app.b (id int primary key, a int references app.a);
      select audit.track('app.a'), audit.track('app.b'); insert into app.a values (1); insert into app.b values (1, 1);`);
    const at = await stage.moment();
    await sql("delete from app.b");
    await sql("update app.a set id = 2");
    expect(await refusal({ table: "app.b", recordId: "1" })).toMatchObject({
      status: 409,
      codes: ["missing_parent"],
    });
    expect(await refusal({ table: "app.b", recordId: "1", to: { time: at } })).toMatchObject({ status: 409 });
    await stage.restored({ tables: ["app.a", "app.b"], at });
    expect(await state("a", "b")).toEqual([["(1)"], ["(1,1)"]]);
  });
});

describe("references within a table", () => {
  const tree = `create table app.t (id int primary key, up int references app.t on delete cascade, v text); create index on app.t (up); select audit.track('app.t')`;

  test("five deep come back in one statement", async () => {
    await sql(`${tree}; insert into app.t select n, nullif(n - 1, 0) from generate_series(1, 6) n`);
    const before = await state("t");
    await sql("delete from app.t where id = 1");
    await stage.restored({ table: "app.t", recordId: "1" });
    expect(await state("t")).toEqual(before);
  });

  test("come back over several chunks, parents first whatever their keys", async () => {
    // Keys fall towards the leaves, so that their order is not the references'.
    await sql(
      `${tree}; insert into app.t select 12000 - n, case when n > 0 then 12000 - (n - 1) / 10 end from generate_series(0, 11999) n`,
    );
    const [before] = await sql("select count(*), sum(hashtext(t::text)) from app.t t");
    const id = await stage.as("eve", "delete from app.t where id = 12000");
    const run = await stage.restored({ transactionId: id });
    expect(run.chunkCount).toBe(3);
    expect((await sql("select count(*), sum(hashtext(t::text)) from app.t t"))[0]).toEqual(before);
  });

  test("come back where some rows are older than a column", async () => {
    await sql(`${tree}; insert into app.t values (1, null), (2, 1), (3, 2)`);
    const at = await stage.moment();
    await sql("update app.t set v = 'x' where id in (1, 3)");
    await sql("alter table app.t add column extra text default 'e'");
    await sql("select audit.track('app.t')");
    await sql("delete from app.t");
    await stage.restored({ tables: ["app.t"], at });
    expect(await state("t")).toEqual([["(1,,,e)", "(2,1,,e)", "(3,2,,e)"]]);
  });
});

describe("circles", () => {
  const circle = (deferrable: string) => `
    create table app.a (id int primary key, b int);
    create table app.b (id int primary key, a int not null constraint b_to_a references app.a);
    alter table app.a add constraint a_to_b foreign key (b) references app.b ${deferrable};
    select audit.track('app.a'), audit.track('app.b');
    insert into app.a values (1), (2); insert into app.b values (1, 1), (2, 2); update app.a set b = id;`;
  const remove = "update app.a set b = null; delete from app.b; delete from app.a";

  test("come back through a deferrable constraint", async () => {
    await sql(circle("deferrable"));
    const before = await state("a", "b");
    const at = await stage.moment();
    await sql(remove);
    await stage.restored({ tables: ["app.a", "app.b"], at });
    expect(await state("a", "b")).toEqual(before);
  });

  test("leave what is behind them to other chunks", async () => {
    await sql(circle("deferrable"));
    await sql(`create table app.behind (id int primary key, a int references app.a on delete cascade); select audit.track('app.behind');
      insert into app.behind select g, 1 from generate_series(1, ${2 * CHUNK_ROWS}) g`);
    const at = await stage.moment();
    await sql(`${remove}; delete from app.behind`);
    const target = { tables: ["app.a", "app.b", "app.behind"], at };
    const id = await planUndo(stage.flows, { target, options: {} });
    const chunks = await stage.db.rows(
      "superuser",
      "select count(distinct chunk)::int as n from audit.restore_items where run_id = $1 and relation = 'app.behind'::regclass",
      [id],
    );
    expect(chunks).toEqual([{ n: 3 }]);
    await startPlan(stage.flows, id);
    expect(await stage.ended(id)).toMatchObject({ status: "completed" });
  });

  test("are never in two chunks, however many rows they have", async () => {
    await sql(circle("deferrable"));
    const rows = 2 * CHUNK_ROWS;
    await sql(`create table app.plain (id int primary key); select audit.track('app.plain');
      insert into app.plain select generate_series(1, ${rows});
      insert into app.a select g from generate_series(3, ${rows}) g; insert into app.b select g, g from generate_series(3, ${rows}) g;
      update app.a set b = id where id > 2`);
    const before = await state("a", "b", "plain");
    const at = await stage.moment();
    await sql(`${remove}; delete from app.plain`);
    const tables = ["app.a", "app.b", "app.plain"];
    const id = await planUndo(stage.flows, { target: { tables, at }, options: {} });
    const chunks = await stage.db.rows(
      "superuser",
      "select count(distinct chunk)::int as n from audit.restore_items where run_id = $1 group by relation in ('app.a'::regclass, 'app.b'::regclass) order by 1",
      [id],
    );
    expect(chunks).toEqual([{ n: 1 }, { n: 2 }]);
    await startPlan(stage.flows, id);
    expect(await stage.ended(id)).toMatchObject({ status: "completed", error: null });
    expect(await state("a", "b", "plain")).toEqual(before);
  });

  test("that nothing can defer are refused with the constraints' names", async () => {
    await sql(circle(""));
    const at = await stage.moment();
    await sql(remove);
    const answer = await refusal({ tables: ["app.a", "app.b"], at });
    expect(answer).toMatchObject({ status: 409, codes: ["cycle"] });
    expect(answer.detail).toMatch(/a_to_b.*b_to_a/);
  });

  test("within one table need no deferring", async () => {
    await sql(`create table app.t (id int primary key, peer int references app.t); select audit.track('app.t');
      insert into app.t values (1, 2), (2, 1), (3, 3)`);
    const before = await state("t");
    const id = await stage.as("eve", "delete from app.t");
    await stage.restored({ transactionId: id });
    expect(await state("t")).toEqual(before);
  });
});

describe("rows that are to go", () => {
  test("take along only what the plan shows", async () => {
    await sql(`
      create table app.a (id int primary key); create table app.b (id int primary key, a int references app.a on delete cascade);
      select audit.track('app.a'), audit.track('app.b');`);
    const at = await stage.moment();
    await sql("insert into app.a values (1)");
    await sql("insert into app.b values (1, 1)");
    expect(await refusal({ tables: ["app.a"], at }, { strictDelete: true })).toMatchObject({
      codes: ["dependents"],
    });
    await stage.restored({ tables: ["app.a", "app.b"], at }, { strictDelete: true });
    expect(await state("a", "b")).toEqual([[], []]);
  });

  test("with a value that a row which comes back needs go first, with their children", async () => {
    await sql(`
      create table app.a (id int primary key, mail text unique); create table app.b (id int primary key, a int references app.a);
      select audit.track('app.a'), audit.track('app.b'); insert into app.a values (1, 'm'); insert into app.b values (1, 1);`);
    const before = await state("a", "b");
    const at = await stage.moment();
    await sql("delete from app.b");
    await sql("delete from app.a");
    await sql("insert into app.a values (2, 'm')");
    await sql("insert into app.b values (2, 2)");
    const target = { tables: ["app.a", "app.b"], at };
    expect(await stage.problems(target)).toEqual([
      "conflict parent_clash",
      "conflict unique_clash",
      "note rows_stay",
    ]);
    await stage.restored(target, { strictDelete: true });
    expect(await state("a", "b")).toEqual(before);
  });
});

test("children that no history knows are named before a parent comes back without them", async () => {
  await sql(`
    create table app.a (id int primary key); create table app.b (id int primary key, a int references app.a on delete cascade);
    select audit.track('app.a'); insert into app.a values (1); insert into app.b values (1, 1); delete from app.a;`);
  expect(await stage.problems({ table: "app.a", recordId: "1" })).toEqual(["loss unseen_children"]);
});

test("what a clash keeps away keeps its children, where conflicts are skipped", async () => {
  await sql(`
    create table app.a (id int primary key, mail text unique);
    create table app.b (id int primary key, a int references app.a on delete cascade);
    select audit.track('app.a'), audit.track('app.b');
    insert into app.a values (1, 'm'), (2, 'n'); insert into app.b values (1, 1), (2, 2);`);
  const at = await stage.moment();
  await sql("delete from app.a; insert into app.a values (3, 'm')");
  const run = await stage.restore({ tables: ["app.a"], at }, { onConflict: "skip" });
  expect(run).toMatchObject({ status: "completed", appliedCount: 2, skippedCount: 2 });
  expect(await sql("select a.id, b.id as child from app.a left join app.b on b.a = a.id order by 1")).toEqual(
    [
      { id: 2, child: 2 },
      { id: 3, child: null },
    ],
  );
});

test("come along though their table was tracked anew since, and however deep they are", async () => {
  await sql(`create schema anew; create table anew.p (id int primary key);
    create table anew.c (id int primary key, p int references anew.p on delete cascade);
    select audit.track('anew.p'), audit.track('anew.c'); insert into anew.p values (1); insert into anew.c values (1, 1), (2, 1)`);
  const id = await stage.as("eve", "delete from anew.p");
  await sql("select audit.untrack('anew.c')");
  await sql("select audit.track('anew.c')");
  const { body } = await stage.preview({ transactionId: id });
  expect(body).toMatchObject({ itemCount: 3, problems: [] });

  await sql(`create table anew.n (id int primary key, up int references anew.n on delete cascade); select audit.track('anew.n');
    insert into anew.n select n, nullif(n - 1, 0) from generate_series(1, 60) n`);
  await sql("delete from anew.n where id = 1");
  const deep = await stage.preview({ table: "anew.n", recordId: "1" });
  expect(deep.body).toMatchObject({ itemCount: 60, problems: [] });
});
