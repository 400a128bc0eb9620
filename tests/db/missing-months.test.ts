import type pg from "pg";
import { describe, expect, test } from "vitest";
import { useDatabase } from "../support/database.ts";
import { failure, month, one, withClient } from "./helpers.ts";

const db = useDatabase();
const COLUMNS = "workspace_id, created_by_user_id, action_type, resource_type, resource_id";

const schedule = (client: pg.Client | pg.Pool) =>
  one(
    client,
    `select newest_partition, next_partition_date, months_ahead, covers_now
     from audit.partition_schedule where table_name = 'audit_events'`,
  );
const firstOf = (offset: number) => new Date(`${month(offset).replace("_", "-")}-01T00:00:00Z`);

/** Runs in a transaction of the owner that is rolled back. */
const inOwnersTransaction = <T>(work: (client: pg.Client) => Promise<T>): Promise<T> =>
  withClient(db, "admin", async (client) => {
    await client.query("begin; set local role audit_owner; set local search_path = audit, public");
    return work(client);
  });

describe.each(["UTC", "America/New_York", "Pacific/Kiritimati"])("partition_schedule in %s", (zone) => {
  const scheduleWithout = (...offsets: number[]) =>
    inOwnersTransaction(async (client) => {
      await client.query(`set local timezone = '${zone}'; set local datestyle = 'German'`);
      for (const offset of offsets) {
        await client.query(`alter table audit_events detach partition audit_events_${month(offset)}`);
      }
      return one(
        client,
        `select months_ahead, covers_now, extract(epoch from next_partition_date)::int as next
         from partition_schedule where table_name = 'audit_events'`,
      );
    });
  const seconds = (offset: number) => firstOf(offset).getTime() / 1_000;

  test("counts whole months after this one up to the first gap", async () => {
    await db.rows("worker", "select create_monthly_audit_partition(6)");
    const sound = { months_ahead: 6, covers_now: true, next: seconds(7) };
    expect(await scheduleWithout()).toEqual(sound);
    expect(await scheduleWithout(-1)).toEqual(sound);
    expect(await scheduleWithout(6)).toEqual({ months_ahead: 5, covers_now: true, next: seconds(6) });
    expect(await scheduleWithout(3, 5)).toEqual({ months_ahead: 2, covers_now: true, next: seconds(3) });
    expect(await scheduleWithout(1)).toEqual({ months_ahead: 0, covers_now: true, next: seconds(1) });
  });

  test("tells a month that is missing now from one that has none after it", async () => {
    const missing = { months_ahead: 0, covers_now: false, next: seconds(0) };
    expect(await scheduleWithout(0)).toEqual(missing);
    const all = Array.from({ length: 8 }, (_, i) => i - 1);
    expect(await scheduleWithout(...all)).toEqual(missing);
  });
});

describe("a month that was detached", () => {
  const current = `audit_events_${month(0)}`;
  const repair = "select create_monthly_audit_partition(2)::int as n";

  test("is seen, and attached again with its rows, its guards and room for new events", async () => {
    const insert = `insert into audit_events (${COLUMNS}) values ('ws-detached', 'u', 'A', 't', 'r')`;
    await db.rows("app", insert);
    await db.asOwner(`alter table audit_events detach partition ${current}`);
    expect(await schedule(db.pool("app"))).toMatchObject({
      next_partition_date: firstOf(0),
      months_ahead: 0,
      covers_now: false,
    });
    expect(await failure(db.rows("app", insert))).toMatchObject({ code: "23514" });

    expect(await one(db.pool("worker"), repair)).toEqual({ n: 1 });
    expect(await schedule(db.pool("app"))).toMatchObject({
      newest_partition: `audit_events_${month(6)}`,
      next_partition_date: firstOf(7),
      months_ahead: 6,
      covers_now: true,
    });
    await db.rows("app", insert);
    const rows = await db.rows("app", "select from audit_events where workspace_id = 'ws-detached'");
    expect(rows.length).toBe(2);
    expect(await failure(db.asOwner(`delete from ${current}`))).toMatchObject({
      message: "Audit events are immutable",
    });
    expect(await one(db.pool("worker"), repair)).toEqual({ n: 0 });
  });

  test.each([
    ["nothing", "select 1"],
    ["its guard dropped", `drop trigger audit_events_immutable_statement on ${current}`],
    ["its guard switched off", `alter table ${current} disable trigger all`],
    ["no index", `alter table ${current} drop constraint ${current}_pkey`],
  ])("comes back guarded with %s changed", async (_, change) => {
    const open = await inOwnersTransaction(async (client) => {
      await client.query(`alter table audit_events detach partition ${current}; ${change}`);
      expect(await one(client, repair)).toEqual({ n: 1 });
      return client.query(
        "select from partition_guards where not (rows_guarded and statements_guarded and chronology_checked)",
      );
    });
    expect(open.rowCount).toBe(0);
  });

  test("is not missed when it is attached under another name", async () => {
    const repaired = await inOwnersTransaction(async (client) => {
      await client.query(`alter table ${current} rename to tidied`);
      return one(client, repair);
    });
    expect(repaired).toEqual({ n: 0 });
  });

  const day = (n: number) => `${month(0).replace("_", "-")}-0${n}`;
  const UNLIKE = `it is no plain table with the check ${current}_range`;
  const rename = `alter table ${current} rename to tidied`;
  test.each([
    ["a table of another shape", `${rename}; create table ${current} (id int)`, UNLIKE],
    ["a view", `${rename}; create view ${current} as select 1`, UNLIKE],
    [
      "a table that a crash empties",
      `${rename}; create unlogged table ${current} (like audit_events including constraints, constraint ${current}_range check (created_at is not null))`,
      UNLIKE,
    ],
    ["a month without its range check", `alter table ${current} drop constraint ${current}_range`, UNLIKE],
    [
      "a month with a column more",
      `alter table ${current} add column more int`,
      `table "${current}" contains column "more" not found in parent "audit_events"`,
    ],
    [
      "a month with a check less",
      `alter table ${current} drop constraint check_action_type_not_empty`,
      'child table is missing constraint "check_action_type_not_empty"',
    ],
    [
      "a month that holds another month's rows",
      `alter table ${current} drop constraint ${current}_range;
       insert into ${current} (${COLUMNS}, created_at) values ('w', 'u', 'A', 't', 'r', '2001-01-01');
       alter table ${current} add constraint ${current}_range check (created_at > '2000-01-01')`,
      `partition constraint of relation "${current}" is violated by some row`,
    ],
    [
      "a month that was attached elsewhere",
      `create table elsewhere (like audit_events) partition by range (created_at);
       alter table elsewhere attach partition ${current} for values from ('2000-01-01') to ('2100-01-01')`,
      `"${current}" is already a partition`,
    ],
    [
      "a partition of a day in its place",
      `${rename}; create table a_day partition of audit_events for values from ('${day(1)}') to ('${day(2)}')`,
      `partition "${current}" would overlap partition "a_day"`,
    ],
  ])("is not replaced by %s: the error names it and says why", async (_, change, reason) => {
    const failed = await inOwnersTransaction(async (client) => {
      await client.query(`alter table audit_events detach partition ${current}; ${change}`);
      return failure(client.query("select add_month_partition('audit_events', $1)", [day(1)]));
    });
    expect(failed).toMatchObject({
      code: "55000",
      message: `audit.${current} cannot become a partition of audit.audit_events: ${reason}`,
    });
  });

  test("is not replaced by a foreign table or one of somebody else", async () => {
    for (const [change, reason] of [
      [
        `create foreign data wrapper nothing; create server nowhere foreign data wrapper nothing;
         create foreign table ${current} () server nowhere; alter foreign table ${current} owner to audit_owner`,
        UNLIKE,
      ],
      [
        `create table ${current} (like audit_events including all, constraint ${current}_range check (created_at is not null))`,
        `must be owner of table ${current}|permission denied for table ${current}`,
      ],
    ] as const) {
      const failed = await withClient(db, "superuser", async (client) => {
        await client.query(`begin; set local search_path = audit;
          alter table audit_events detach partition ${current}; ${rename}; ${change}; set local role audit_worker`);
        return failure(client.query(repair));
      });
      expect(failed.code).toBe("55000");
      expect(failed.message).toMatch(new RegExp(`^audit\\.${current} cannot become .*: (${reason})`));
    }
  });
});
