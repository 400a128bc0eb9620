import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { countDue } from "../../../db/queries/cleanup.ts";
import { defineConfig } from "../../../lib/config.ts";
import { digestOf } from "../../../lib/cleanup-rules.ts";
import { beginRule } from "../../../services/cleanup/begin-rule.ts";
import { deleteBatch } from "../../../services/cleanup/delete-batch.ts";
import { cleanupContext } from "../../../services/runtime.ts";
import { holdsOn } from "../../support/holds.ts";
import { useRestores } from "../../support/restores.ts";

const TABLES = ["codes", "flags", "tasks", "nodes", "measures", "measures_old", "threads"];
const old = { column: "at", olderThan: "30 days" };
const config = defineConfig({
  tables: {},
  retention: TABLES.map((table) => ({
    table: `public.${table}`,
    where: table === "tasks" ? [old, { column: "status", in: ["completed"] }] : [old],
  })),
});
const stage = useRestores({ config });
const { sql } = stage;
const holds = () => holdsOn(stage.db);

beforeAll(async () => {
  await sql(`
    create table codes (id char(3) primary key, at timestamptz not null);
    create table flags (id bit(8) primary key, at timestamptz not null);
    create table tasks (id int primary key, status char(10) not null, at timestamptz not null);
    create table nodes (id int primary key, parent int references nodes on delete cascade, at timestamptz not null);
    create table measures (id int, at timestamptz not null, primary key (id, at)) partition by range (at);
    create table measures_old partition of measures for values from ('2000-01-01') to ('2100-01-01');
    create table notes (id int primary key, measure int, at timestamptz, foreign key (measure, at) references measures on delete cascade);
    create table threads (id int primary key, root int references threads, at timestamptz not null);
    create table stars (id int primary key, thread int references threads); create index on stars (thread);
    create table private_stars (id int primary key, thread int references threads);
    grant usage on schema public to audit_worker;
    grant select, update, delete on ${TABLES.join(", ")} to audit_worker;
    grant select on notes, stars to audit_worker;
    select audit.track('public.measures')`);
});

afterEach(async () => {
  await holds().release();
  await sql(`truncate ${TABLES.join(", ")}, stars, private_stars, notes`);
});

const begin = async (table: string) => {
  const ctx = cleanupContext(stage.flows.runtime);
  const rule = config.retention.find((one) => one.table === `public.${table}`);
  const ref = { runId: crypto.randomUUID(), digest: digestOf(rule as never) };
  await beginRule(ctx, ref, 10);
  return () => deleteBatch(ctx, ref, 1);
};
const clean = async (table: string) => (await begin(table))();
const left = async (table: string, column = "id") =>
  (await sql(`select ${column} as one from ${table} order by 1`)).map(({ one }) => one);
const DUE = "now() - interval '40 days'";

describe("what a column's type cuts short or pads", () => {
  test("a key of characters means its own row, and no other", async () => {
    await sql(`insert into codes values ('A', now()), ('ABC', ${DUE}), ('AB', ${DUE}), ('ABD', ${DUE})`);
    await holds().place("public.codes", "AB ");
    expect(await clean("codes")).toBe("done");
    expect(await left("codes")).toEqual(["A  ", "AB "]);
  });

  test("so does a key of bits", async () => {
    await sql(`insert into flags values (B'10000001', ${DUE}), (B'10000000', now())`);
    await clean("flags");
    expect(await left("flags")).toEqual(["10000000"]);
  });

  test("a value is compared whole", async () => {
    await sql(`insert into tasks values (1, 'completed', ${DUE}), (2, 'c', ${DUE})`);
    await clean("tasks");
    expect(await left("tasks")).toEqual([2]);
  });
});

describe("what is held", () => {
  test("by a hold that is placed while a batch is deleted stays: the batch waits for it", async () => {
    await sql(`insert into codes values ('ABC', ${DUE}), ('ABD', ${DUE})`);
    const deleteNow = await begin("codes");
    expect(await holds().whilePlacing("public.codes", "ABC", deleteNow)).toBe("done");
    expect(await left("codes")).toEqual(["ABC"]);
  });

  test("in some workspace stays when the hold names its table: of that workspace, or of all where the rule does not say whose rows are", async () => {
    await sql(`insert into tasks values (1, 'ws-1', ${DUE}), (2, 'ws-2', ${DUE}), (3, '', ${DUE})`);
    await stage.call("POST", "/holds", {
      body: { workspaceId: "ws-1", resourceType: "public.tasks", reason: "case" },
    });
    const rule = { table: "public.tasks", where: [{ column: "at", seconds: 86_400 }] };
    const due = async (more: object) =>
      (await countDue(cleanupContext(stage.flows.runtime).db, { ...rule, ...more }, new Date(), 10)).count;
    expect([await due({}), await due({ workspaceColumn: "status" })]).toEqual([0, 2]);
  });

  test.each([3, 8, 12])(
    "keeps the rows that would take it along, %i levels up a tree of one table",
    async (depth) => {
      await sql(`insert into nodes select n, nullif(n - 1, 0), ${DUE} from generate_series(1, ${depth}) n`);
      await sql(`insert into nodes values (100, null, ${DUE}), (101, 100, now())`);
      await holds().place("public.nodes", String(depth));
      await clean("nodes");
      expect(await left("nodes")).toEqual(Array.from({ length: depth }, (_, n) => n + 1));
      await holds().release();
      await clean("nodes");
      expect(await left("nodes")).toEqual([]);
    },
  );

  test("is known below the levels that are looked through, unless no hold could concern it", async () => {
    await sql(`insert into nodes select n, nullif(n - 1, 0), ${DUE} from generate_series(1, 12) n`);
    await holds().place("public.codes", "ABC");
    await clean("nodes");
    expect(await left("nodes")).toEqual([]);
  });

  test.each([
    ["measures_old", "measures"],
    ["measures", "measures"],
    ["measures", "measures_old"],
  ])("stays for a rule on %s when the hold names %s", async (table, named) => {
    await sql(`insert into measures values (1, ${DUE}), (2, ${DUE})`);
    const [entry] = await sql(
      "select record_id from audit.audit_logs where table_name = 'measures' and action = 'INSERT' order by id desc limit 1",
    );
    await holds().place(`public.${named}`, entry?.record_id as string);
    await clean(table);
    expect(await left("measures")).toEqual([2]);
  });

  test("stays when a rule on a partition would take it along by a key that names the whole", async () => {
    await sql(
      `insert into measures values (1, ${DUE}), (2, ${DUE}); insert into notes select id, id, at from measures`,
    );
    await holds().place("public.notes", "1");
    await clean("measures_old");
    expect(await left("measures")).toEqual([1]);
  });
});

describe("what is referenced", () => {
  const kept = async () => {
    const [row] = await stage.db.rows(
      "worker",
      "select deleted_count::int as deleted, kept_count::int as kept from retention_cleanups order by id desc limit 1",
    );
    return row;
  };

  test("stays, in a whole batch of such rows, without holding up its step", async () => {
    await sql(`insert into threads select n, n, ${DUE} from generate_series(1, 2000) n`);
    await sql("insert into stars select n, n from generate_series(1, 2000) n where n % 100 <> 0");
    expect(await clean("threads")).toBe("more");
    expect(await kept()).toEqual({ deleted: 20, kept: 1980 });
  });

  test("only by rows that are due as well goes with them, beside others that stay", async () => {
    await sql(
      `insert into threads select n, case when n % 3 = 1 then n else n - 1 end, ${DUE} from generate_series(1, 300) n`,
    );
    await sql("insert into stars values (1, 3), (2, 101)");
    await clean("threads");
    expect(await left("threads")).toEqual([1, 2, 3, 100, 101]);
  });

  test("from where the worker may not look stays, and what is beside it goes", async () => {
    await sql(`insert into threads select n, null, ${DUE} from generate_series(1, 2000) n`);
    await sql("insert into private_stars values (1, 7), (2, 1207)");
    await clean("threads");
    expect(await left("threads")).toEqual([7, 1207]);
  });
});
