import { expect, test } from "vitest";
import { migrate } from "../../db/migrate.ts";
import { useDatabase } from "../support/database.ts";
import { failure, month, one, withClient } from "./helpers.ts";

const db = useDatabase();
const COLUMNS = "workspace_id, created_by_user_id, action_type, resource_type, resource_id";

const partitions = () =>
  db.rows<{ name: string; bounds: string }>(
    "admin",
    `select c.relname as name, pg_get_expr(c.relpartbound, c.oid) as bounds
     from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'audit.audit_events'::regclass order by 1`,
  );

/** audit_events and audit_logs; the archive gets its months with those of the events, uncounted. */
const TABLES = 2;

test("a fresh database has last month, this month and three months ahead", async () => {
  expect((await partitions()).map((row) => row.name)).toEqual(
    [-1, 0, 1, 2, 3].map((offset) => `audit_events_${month(offset)}`),
  );
});

test("asking again adds nothing; asking for more adds the rest, over the turn of the year", async () => {
  const { none } = await one(db.pool("worker"), "select create_monthly_audit_partition() as none");
  expect(none).toBe(0);
  const { added } = await one(db.pool("worker"), "select create_monthly_audit_partition(14) as added");
  expect(added).toBe(11 * TABLES);
  expect((await partitions()).map((row) => row.name)).toContain(`audit_events_${month(14)}`);
  const { again } = await one(db.pool("worker"), "select create_monthly_audit_partition(14) as again");
  expect(again).toBe(0);
});

test("months that were made with another threshold are vacuumed like new ones from the next migration on", async () => {
  const options = () =>
    db.rows(
      "admin",
      "select from pg_class where relname = $1 and reloptions @> '{autovacuum_vacuum_threshold=0}'",
      [`audit_events_${month(0)}`],
    );
  await db.asOwner(`alter table audit.audit_events_${month(0)} reset (autovacuum_vacuum_threshold)`);
  expect(await options()).toEqual([]);
  await db.asOwner("update audit.schema_versions set checksum = 'before' where name = 'sql/partitions.sql'");
  await migrate({ url: db.url("admin") });
  expect(await options()).toHaveLength(1);
});

test("each table gets the months ahead that it lacks, the archive and the history as well", async () => {
  for (const table of ["audit_events", "audit_events_archive", "audit_logs"]) {
    const name = `${table}_${month(2)}`;
    await db.asOwner(`alter table audit.${table} detach partition audit.${name}; drop table audit.${name}`);
    const { added } = await one(db.pool("worker"), "select create_monthly_audit_partition() as added");
    expect({ table, added }).toEqual({ table, added: 1 });
    expect(await db.rows("admin", "select to_regclass($1) is not null as there", [`audit.${name}`])).toEqual([
      { there: true },
    ]);
  }
});

test("callers at the same time make each month once", async () => {
  const results = await Promise.all(
    Array.from({ length: 6 }, () =>
      one<{ n: number }>(db.pool("worker"), "select create_monthly_audit_partition(18) as n"),
    ),
  );
  expect(results.map((row) => row.n).sort((a, b) => b - a)).toEqual([4 * TABLES, 0, 0, 0, 0, 0]);
});

test.each([-1, 25, null, 2_147_483_647])("%s months ahead is refused", async (months) => {
  const failed = await failure(db.rows("worker", "select create_monthly_audit_partition($1)", [months]));
  expect(failed).toMatchObject({ code: "22023", message: expect.stringContaining("must be from 0 to 24") });
});

test.each(["America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu"])(
  "names and bounds are in UTC for a session in %s",
  async (zone) => {
    const date = {
      "America/New_York": "2031-01-01",
      "Pacific/Kiritimati": "2031-06-01",
      "Asia/Kathmandu": "2031-12-01",
    }[zone];
    await withClient(db, "admin", async (client) => {
      await client.query(`set role audit_owner; set timezone = '${zone}'`);
      await client.query("select audit.add_month_partition('audit_events', $1)", [date]);
    });
    const name = `audit_events_${date?.slice(0, 7).replace("-", "_")}`;
    const [found] = await withClient(db, "admin", async (client) => {
      await client.query("set timezone = 'UTC'");
      const { rows } = await client.query(
        "select pg_get_expr(relpartbound, oid) as bounds from pg_class where relname = $1",
        [name],
      );
      return rows;
    });
    const next = new Date(`${date}T00:00:00Z`);
    next.setUTCMonth(next.getUTCMonth() + 1);
    expect(found?.bounds).toBe(
      `FOR VALUES FROM ('${date} 00:00:00+00') TO ('${next.toISOString().slice(0, 10)} 00:00:00+00')`,
    );
  },
);

test("months touch without gap or overlap", async () => {
  const { gaps } = await one(
    db.pool("admin"),
    `with bounds as (
       select (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''(.+?)''\\)'))[1]::timestamptz as low,
              (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''(.+?)''\\)'))[1]::timestamptz as high
       from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = 'audit.audit_events'::regclass and c.relname < 'audit_events_2030'
     )
     select count(*)::int - 1 - count(*) filter (where exists (select from bounds o where o.low = b.high))::int as gaps
     from bounds b`,
  );
  expect(gaps).toBe(0);
});

test("a month is added while a transaction with open inserts runs, without waiting for it", async () => {
  await withClient(db, "app", async (writer) => {
    await writer.query("begin");
    await writer.query(`insert into audit_events (${COLUMNS}) values ('w', 'u', 'A', 't', 'r')`);
    const { added } = await one(db.pool("worker"), "select create_monthly_audit_partition(19) as added");
    expect(added).toBe(TABLES);
    await writer.query(`insert into audit_events (${COLUMNS}) values ('w', 'u', 'A', 't', 'r')`);
    await writer.query("commit");
  });
});

test("every month carries every trigger of its parent, in the state of its parent", async () => {
  const triggers = (state: string) =>
    db
      .rows<{ table: string; triggers: string }>(
        "admin",
        `select c.relname as table, string_agg(t.tgname || t.tgenabled::text, ' ' order by t.tgname) as triggers
       from pg_trigger t join pg_class c on c.oid = t.tgrelid
       where c.relname ~ '^audit_events(_[0-9]|$)' and not t.tgisinternal
       group by c.relname order by length(c.relname)`,
      )
      .then((rows) => {
        expect(new Set(rows.map((row) => row.triggers)), state).toEqual(new Set([rows[0]?.triggers]));
        return rows[0]?.triggers;
      });
  expect(await triggers("check off")).toContain("check_audit_workspace_membershipD");
  await db.asOwner("alter table audit_events enable trigger check_audit_workspace_membership");
  await db.rows("worker", "select create_monthly_audit_partition(20)");
  expect(await triggers("a month made while the check is on")).toContain("check_audit_workspace_membershipO");
  await db.asOwner("alter table audit_events disable trigger check_audit_workspace_membership");
  await db.rows("worker", "select create_monthly_audit_partition(21)");
  expect(await triggers("a month made while the check is off")).toContain(
    "check_audit_workspace_membershipD",
  );
});

test.each(["'2001-02-03'", "now() + interval '30 years'", "'infinity'"])(
  "an event of a month without a partition (%s) is refused before any check of ours can speak",
  async (createdAt) => {
    const failed = await failure(
      db.rows(
        "app",
        `insert into audit_events (${COLUMNS}, created_at) values ('w', 'u', 'A', 't', 'r', ${createdAt})`,
      ),
    );
    expect(failed).toEqual({
      code: "23514",
      message: 'no partition of relation "audit_events" found for row',
      constraint: "",
    });
  },
);

test("a month that cannot be locked gives up in seconds instead of queueing writers behind it", async () => {
  await withClient(db, "admin", async (holder) => {
    await holder.query(
      "begin; set local role audit_owner; lock table audit.audit_events in share update exclusive mode",
    );
    const failed = await failure(db.rows("worker", "select create_monthly_audit_partition(22)"));
    expect(failed).toMatchObject({ code: "55P03" });
    await holder.query("rollback");
  });
  const { added } = await one(db.pool("worker"), "select create_monthly_audit_partition(22) as added");
  expect(added).toBe(TABLES);
});

test("the archive has a place for every month of events, before anything moves there", async () => {
  await db.asOwner("select audit.add_month_partition('audit_events', '2020-02-01')");
  await db.asOwner(
    "alter table audit_events_archive detach partition audit_events_archive_2020_02; drop table audit_events_archive_2020_02",
  );
  await db.rows("worker", "select create_monthly_audit_partition()");
  const missing = await db.rows(
    "admin",
    `select month_start from audit.month_partitions() where table_name = 'audit_events'
     except select month_start from audit.month_partitions() where table_name = 'audit_events_archive'`,
  );
  expect(missing).toEqual([]);
});
