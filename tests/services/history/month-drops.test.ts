import pg from "pg";
import { holdsOn } from "../../support/holds.ts";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { workerContext } from "../../../services/runtime.ts";
import { dropHistoryMonth, reportHistoryCleanup } from "../../../services/history/drop-month.ts";
import { useRestores } from "../../support/restores.ts";
import { jobRunner } from "../../support/workflows.ts";

const stage = useRestores();
const { sql, call } = {
  sql: stage.sql,
  call: (...args: Parameters<typeof stage.call>) => stage.call(...args),
};
const run = () => jobRunner(stage.call).runJob("history-cleanup");
const drop = () => dropHistoryMonth(workerContext(stage.flows.runtime));

/** The first day of the month so many months from this one. */
const firstOf = (months: number) => {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months, 1));
};
const nameOf = (month: Date) => `audit_logs_${month.toISOString().slice(0, 7).replace("-", "_")}`;
const OLD = firstOf(-14);
const NEXT = firstOf(-13);
const KEPT = firstOf(-12);

const months = async () =>
  (
    await sql(
      "select partition_name::text as name from audit.month_partitions() where table_name = 'audit_logs' order by month_start",
    )
  ).map(({ name }) => name);

const entry = (
  recordId: string,
  at: Date,
  more: { txid?: string; user?: string; newRecordId?: string } = {},
) =>
  stage.db.rows(
    "superuser",
    `insert into audit.audit_logs (created_at, table_schema, table_name, record_id, action, old_values, new_values, changed_fields, txid, user_id, new_record_id)
     values ($1, 'public', 'singers', $2, 'UPDATE', $3, '{"name": "b"}', '{name}', coalesce($4::xid8, pg_current_xact_id()), $5, $6)`,
    [
      at.toISOString(),
      recordId,
      { id: Number(recordId), name: "a" },
      more.txid ?? null,
      more.user ?? null,
      more.newRecordId ?? null,
    ],
  );
const placeHold = (names: Record<string, string>) =>
  stage.db.rows(
    "admin",
    `insert into audit.legal_holds (${Object.keys(names).join(", ")}, reason, placed_by_user_id)
     values (${Object.keys(names)
       .map((_, n) => `$${n + 1}`)
       .join(", ")}, 'test', 'lawyer')`,
    Object.values(names),
  );
const after = (time: Date, seconds: number) => new Date(time.getTime() + seconds * 1_000);

beforeAll(async () => {
  await sql("create table singers (id int primary key, name text); select audit.track('public.singers')");
  await sql("insert into singers values (1, 'b'), (2, 'b')");
  await stage.db.asOwner("update audit.tracked_tables set tracked_at = $1", [firstOf(-20).toISOString()]);
});

beforeEach(async () => {
  await stage.db.asOwner("delete from audit.history_floor");
  for (const month of [OLD, NEXT, KEPT]) {
    await stage.db.asOwner("select audit.add_month_partition('audit_logs', $1::date)", [month.toISOString()]);
  }
});

describe("a run of history-cleanup", () => {
  test("drops whole months that are a year old, each with its summary in the deletion log, and no younger one", async () => {
    await entry("1", after(OLD, 60));
    await entry("2", after(OLD, 120));
    await entry("1", after(KEPT, 60));
    const result = (await run()).result as { dropped: string[] };
    const dropped = [OLD, NEXT].map((month) => month.toISOString().slice(0, 7));
    expect(result).toMatchObject({ dropped: expect.arrayContaining(dropped), held: null, isBusy: false });
    expect(await months()).toEqual(expect.arrayContaining([nameOf(KEPT)]));
    expect(await months()).not.toEqual(expect.arrayContaining([nameOf(OLD)]));
    const log = await sql(
      "select subject_id, details from audit.audit_deletion_log where subject_type = 'history_month' order by deleted_at",
    );
    expect(log[0]).toMatchObject({
      subject_id: dropped[0],
      details: {
        rowCount: 2,
        tables: ["public.singers"],
        firstAt: expect.any(String),
        bytes: expect.any(Number),
      },
    });
    const { to } = (log[0] ?? {}).details as { to: string };
    expect(new Date(to)).toEqual(NEXT);
    expect((await run()).result).toMatchObject({ dropped: [] });
  });

  test("leaves a month that is not a year old to the day, and nobody can ask for less", async () => {
    await drop();
    await drop();
    expect(await drop()).toMatchObject({ outcome: "none" });
    await expect(stage.db.rows("worker", "select audit.drop_history_month('me', 11)")).rejects.toThrow(
      "must be from 12",
    );
    await expect(stage.db.rows("app", "select audit.drop_history_month('me')")).rejects.toThrow(
      "permission denied",
    );
  });

  test("gives up after a second while somebody reads, changes nothing, and is an alert when it stays so", async () => {
    await drop();
    const reader = new pg.Client({ connectionString: stage.db.url("admin") });
    await reader.connect();
    await reader.query("begin; select count(*) from audit.audit_logs");
    const before = await sql("select count(*) from audit.audit_deletion_log");
    expect(await drop()).toEqual({ outcome: "busy" });
    expect(await sql("select count(*) from audit.audit_deletion_log")).toEqual(before);
    expect(await months()).toContain(nameOf(NEXT));
    const open = () =>
      sql("select severity from audit.alerts where code = 'history.overdue' and resolved_at is null");
    await reportHistoryCleanup(workerContext(stage.flows.runtime), true);
    expect(await open()).toEqual([{ severity: "warning" }]);
    await reader.query("commit");
    await reader.end();
    expect((await run()).result).toMatchObject({ isBusy: false });
    expect(await months()).not.toContain(nameOf(NEXT));
    expect(await open()).toEqual([]);
  });

  test("the application's writes and the readers of the history go on meanwhile, and none is lost", async () => {
    await sql("create table busy (id serial primary key, n int); select audit.track('public.busy')");
    let isOver = false;
    let written = 0;
    const write = async () => {
      const client = new pg.Client({ connectionString: stage.db.url("admin") });
      await client.connect();
      while (!isOver) {
        await client.query("insert into busy (n) values ($1)", [written]);
        written++;
      }
      await client.end();
    };
    const seen: number[] = [];
    const read = async () => {
      while (!isOver) {
        const [row] = await sql("select count(*)::int as n from audit.audit_logs where table_name = 'busy'");
        seen.push(Number(row?.n));
      }
    };
    const users = [write(), write(), read()];
    const outcomes: string[] = [];
    for (let n = 0; n < 50 && outcomes.at(-1) !== "none"; n++) outcomes.push((await drop()).outcome);
    isOver = true;
    await Promise.all(users);
    expect(outcomes.filter((one) => one === "dropped")).toHaveLength(2);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(await sql("select count(*)::int as n from audit.audit_logs where table_name = 'busy'")).toEqual([
      { n: written },
    ]);
    await sql("drop table busy");
  });

  test.each<[string, Record<string, string>]>([
    ["a row", { resource_type: "public.singers", resource_id: "1" }],
    ["a row by the key that it was given", { resource_type: "public.singers", resource_id: "9" }],
    ["a table", { resource_type: "public.singers" }],
    ["a table in some workspace", { workspace_id: "ws-1", resource_type: "public.singers" }],
    ["what a user did", { subject_user_id: "carol" }],
    ["a row about a user", { subject_user_id: "1" }],
  ])("a month with an entry that is held stays, and those after it: a hold on %s", async (_what, names) => {
    await entry("1", after(OLD, 60), { user: "carol", newRecordId: "9" });
    const holds = holdsOn(stage.db);
    await holds.place("public.singers", "2");
    await holds.place("public.bars", "77");
    await placeHold(names);
    expect(await drop()).toMatchObject({ outcome: "held", month: OLD.toISOString().slice(0, 7) });
    expect(await months()).toEqual(expect.arrayContaining([nameOf(OLD), nameOf(NEXT)]));
    await holds.release();
    expect(await drop()).toMatchObject({ outcome: "dropped" });
  });

  test("a hold that names a table as it is called today keeps its history, which has its name of before", async () => {
    await entry("1", after(OLD, 60));
    const holds = holdsOn(stage.db);
    await sql("alter table singers rename to vocalists");
    for (const row of [{ resource_id: "1" }, {}] as Record<string, string>[]) {
      await placeHold({ resource_type: "public.vocalists", ...row });
      expect(await drop()).toMatchObject({ outcome: "held" });
      await holds.release();
    }
    await sql("alter table vocalists rename to singers");
    expect(await drop()).toMatchObject({ outcome: "dropped" });
  });

  test("a hold that is placed while a month is dropped is waited for, and keeps it", async () => {
    await entry("1", after(OLD, 60));
    const holds = holdsOn(stage.db);
    expect(await holds.whilePlacing("public.singers", "1", drop)).toMatchObject({ outcome: "held" });
    expect(await months()).toContain(nameOf(OLD));
    await holds.release();
    expect((await run()).result).toMatchObject({
      held: null,
      dropped: expect.arrayContaining([OLD.toISOString().slice(0, 7)]),
    });
  });
});

describe("once a month was dropped", () => {
  const SPLIT = "4294967000";

  beforeEach(async () => {
    await entry("1", after(OLD, 60), { txid: "4294960001" });
    await entry("1", after(NEXT, -1), { txid: SPLIT, user: "carol" });
    await entry("2", after(NEXT, 1), { txid: SPLIT, user: "carol" });
    expect(await drop()).toMatchObject({ outcome: "dropped" });
  });

  test.each([
    ["/history/singers/1/at", `time=${after(OLD, 90).toISOString()}`],
    ["/history/singers/1", `from=${OLD.toISOString()}`],
    ["/history/singers/1", `to=${after(OLD, 90).toISOString()}`],
  ])("GET %s of a time before says so, and since when the history is kept", async (path, query) => {
    const { status, body } = await call("GET", `${path}?${query}`);
    expect({ status, detail: body.detail }).toEqual({
      status: 409,
      detail: expect.stringContaining(`is kept since ${NEXT.toISOString()}`),
    });
  });

  test("what is later is found as before, and the page says where the history begins", async () => {
    const { status, body } = await call("GET", "/history/singers/2");
    expect({ status, beginsAt: body.beginsAt }).toEqual({ status: 200, beginsAt: NEXT.toISOString() });
    expect(body.items).toContainEqual(expect.objectContaining({ createdAt: after(NEXT, 1).toISOString() }));
    const at = await call("GET", `/history/singers/2/at?time=${after(NEXT, 5).toISOString()}`);
    expect(at).toMatchObject({ status: 200, body: { values: { id: 2, name: "b" } } });
  });

  test("a record without a later change is no record without a history", async () => {
    const { status, body } = await call("GET", `/history/singers/77/at?time=${after(NEXT, 5).toISOString()}`);
    expect({ status, detail: body.detail }).toEqual({
      status: 404,
      detail: expect.stringContaining("it has been as it is since then"),
    });
  });

  test.each([
    ["tables as of a time", { tables: ["public.singers"], at: after(OLD, 90).toISOString() }],
    [
      "a record as of a time",
      { table: "public.singers", recordId: "1", to: { time: after(OLD, 90).toISOString() } },
    ],
    ["what an actor did", { actor: "carol", from: OLD.toISOString(), to: after(NEXT, 60).toISOString() }],
  ])(
    "a restore of %s before is refused with the time since when it could be asked for",
    async (_what, target) => {
      const { status, body } = await stage.preview(target);
      expect({ status, detail: body.detail }).toEqual({
        status: 409,
        detail: expect.stringContaining(`is kept since ${NEXT.toISOString()}`),
      });
    },
  );

  test("a transaction of which a part is gone is not undone by half", async () => {
    const { status, body } = await stage.preview({ transactionId: SPLIT });
    expect({ status, detail: body.detail }).toEqual({
      status: 409,
      detail: expect.stringContaining("cannot be undone whole"),
    });
  });

  test("a transaction of which all is gone is not found, with the reason", async () => {
    const { status, body } = await stage.preview({ transactionId: "4294960001" });
    expect({ status, detail: body.detail }).toEqual({
      status: 404,
      detail: expect.stringContaining(`It is kept since ${NEXT.toISOString()}`),
    });
  });

  test("nothing is said of it for a table whose tracking began later", async () => {
    await sql("create table if not exists bars (id int primary key)");
    await sql("select audit.track('public.bars'); insert into bars values (1)");
    expect(await call("GET", `/history/bars/1?from=${OLD.toISOString()}`)).toMatchObject({ status: 200 });
    await sql("drop table bars");
  });
});
