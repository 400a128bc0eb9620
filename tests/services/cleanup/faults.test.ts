import { beforeAll, describe, expect, test } from "vitest";
import { defineConfig } from "../../../lib/config.ts";
import { cleanupProblems, previewCleanup } from "../../../services/cleanup/preview.ts";
import { checkReadiness } from "../../../services/readiness/check.ts";
import { useApi } from "../../support/api.ts";
import { config, SCHEMA } from "./rules.ts";

const api = useApi();
const sql = (text: string) => api.db.rows("admin", text);
const worker = () => api.runtime.worker.db;

beforeAll(async () => {
  await sql(SCHEMA);
  await sql(`
    create table keyless (created_at timestamptz); create table secret (id int primary key, created_at timestamptz);
    create table fenced (id int primary key, created_at timestamptz); alter table fenced enable row level security;
    create view old_view as select * from secret;
    create table typed (id int primary key, at date, payload json, n int, ok boolean, letter "char", word char(4));
    create schema "Odd"; create table "Odd"."My table" (id int primary key, "At" timestamptz);
    create table parent (id int primary key, created_at timestamptz); create table heir () inherits (parent);
    grant usage on schema "Odd" to audit_worker;
    grant select, update, delete on keyless, fenced, typed, "Odd"."My table", parent, old_view to audit_worker`);
});

const age = { column: "created_at", olderThan: "1 day" };
const withRule = (table: string, ...where: object[]) =>
  defineConfig({ tables: {}, retention: [{ table, where }] } as Parameters<typeof defineConfig>[0]);

describe("a rule beside its database", () => {
  test("fits when its table has the columns and the worker may clean it", async () => {
    expect(await cleanupProblems(worker(), config)).toEqual([]);
    expect(
      await cleanupProblems(worker(), withRule("Odd.My table", { column: "At", olderThan: "1 day" })),
    ).toEqual([]);
  });

  test.each<[string, string, object[], string]>([
    ["there is no such table", "public.nothing", [age], "is no table of this database"],
    ["it is a view", "public.old_view", [age], "is no table of this database"],
    ["it has no key", "public.keyless", [age], "has no primary key"],
    ["it is inherited from", "public.parent", [age], "is inherited from"],
    [
      "the worker has no rights",
      "public.secret",
      [age],
      "grant select, update, delete on public.secret to audit_worker",
    ],
    ["its rows are hidden", "public.fenced", [age], "create policy audit_worker_restores on public.fenced"],
    ["there is no such column", "public.typed", [age], "has no column created_at"],
    [
      "a column is no time",
      "public.typed",
      [{ column: "n", olderThan: "1 day" }],
      "has a column n of type integer, which says no time",
    ],
    [
      "a label is not one of the enum",
      "public.siren_events",
      [age, { column: "status", in: ["sent", "sended"] }],
      'has a column status of type public.siren_status, of which "sended" is no value',
    ],
    [
      "a value is of another type",
      "public.typed",
      [
        { column: "at", olderThan: "1 day" },
        { column: "ok", in: ["perhaps"] },
      ],
      "of type boolean",
    ],
    [
      "a value would be cut short",
      "public.typed",
      [
        { column: "at", olderThan: "1 day" },
        { column: "letter", in: ["s", "sent"] },
      ],
      'of which "sent" is no value',
    ],
    [
      "a type knows no equality",
      "public.typed",
      [
        { column: "at", olderThan: "1 day" },
        { column: "payload", in: ["{}"] },
      ],
      "of type json",
    ],
  ])("does not when %s", async (_what, table, where, fault) => {
    const problems = await cleanupProblems(worker(), withRule(table, ...where));
    expect(problems).toEqual([expect.stringContaining(fault)]);
  });

  test("does not when the column that is to name the workspace is none of its table", async () => {
    const retention = [
      { table: "public.typed", where: [{ column: "at", olderThan: "1 day" }], workspaceColumn: "ws" },
    ];
    expect(await cleanupProblems(worker(), defineConfig({ tables: {}, retention }))).toEqual([
      "public.typed has no column ws, which is to name the workspace",
    ]);
  });

  test("does not when rows would go by cascade that the worker cannot see", async () => {
    await sql(
      "create table private (id int primary key, event_id bigint references siren_events on delete cascade)",
    );
    expect(await cleanupProblems(worker(), config)).toEqual([
      expect.stringContaining("takes rows of public.private along by cascade"),
    ]);
    await sql(
      "grant select on private to audit_worker; alter table private enable row level security; create policy few on private to audit_worker using (id > 5)",
    );
    expect(await cleanupProblems(worker(), config)).toEqual([
      expect.stringContaining("takes rows of public.private along by cascade, and the row security there"),
    ]);
    await sql(
      "create policy audit_worker_restores on public.private for all to audit_worker using (true) with check (true)",
    );
    expect(await cleanupProblems(worker(), config)).toEqual([]);
    await sql("drop table private");
  });

  test("a date is due when its whole day is as old as that", async () => {
    await sql(
      `insert into typed (id, at) select n, (now() at time zone 'utc')::date - n from generate_series(0, 3) n`,
    );
    const [preview] = await previewCleanup(
      worker(),
      withRule("public.typed", { column: "at", olderThan: "1 day" }),
    );
    expect(preview).toMatchObject({ dueCount: 2 });
  });

  test("quotes in values and names are values and names", async () => {
    await sql(`create table "a'b" (id text primary key, "c""d" timestamptz, e text); grant select, update, delete on "a'b" to audit_worker;
      insert into "a'b" values ('x', now() - interval '2 days', 'it''s'), ('y', now() - interval '2 days', 'its')`);
    const rules = withRule(
      "public.a'b",
      { column: 'c"d', olderThan: "1 day" },
      { column: "e", in: ["it's", "{,}"] },
    );
    expect(await previewCleanup(worker(), rules)).toMatchObject([{ faults: [], dueCount: 1 }]);
  });
});

test("a rule that does not fit is a warning of /ready, named to the operator and counted for everybody", async () => {
  const check = async (forOperator: boolean) => {
    const deployment = { quiet: false, channels: [], config: withRule("public.secret", age), forOperator };
    const { checks } = await checkReadiness(api.runtime.app.db, worker(), deployment);
    return checks.find((one) => one.name === "configuration");
  };
  expect(await check(true)).toMatchObject({
    status: "warn",
    detail: expect.stringContaining("public.secret may not be cleaned"),
  });
  const detail = (await check(false))?.detail;
  expect(detail).toContain("rules of the retention that do not fit the database: 1");
  expect(detail).not.toContain("secret");
});
