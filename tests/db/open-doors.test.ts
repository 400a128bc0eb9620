import { expect, test } from "vitest";
import { useDatabase } from "../support/database.ts";
import { event, failure, one, partitionOfNow, withClient } from "./helpers.ts";

const db = useDatabase();
const partition = partitionOfNow();
const GONE = "delete from audit.audit_events";

/**
 * What ownership leaves open to the admin. Each is tried and rolled back; docs/ARCHITECTURE.md names them. None is open
 * to audit_app or audit_worker, and none without saying SET ROLE, GRANT or ALTER ROLE first.
 */
const doors: [name: string, statements: string[]][] = [
  [
    "owner switches the triggers off",
    [
      "set local role audit_owner",
      "alter table audit.audit_events disable trigger user",
      `alter table audit.${partition} disable trigger user`,
      GONE,
    ],
  ],
  [
    "owner drops the triggers",
    [
      "set local role audit_owner",
      "drop trigger audit_events_immutable on audit.audit_events",
      "drop trigger audit_events_immutable_statement on audit.audit_events",
      GONE,
    ],
  ],
  [
    "owner replaces the guard's body",
    [
      "set local role audit_owner",
      "create or replace function audit.refuse_event_change() returns trigger language plpgsql as 'begin return coalesce(new, old); end'",
      GONE,
    ],
  ],
  ["owner drops a month", ["set local role audit_owner", `drop table audit.${partition}`]],
  ["owner drops the schema", ["set local role audit_owner", "drop schema audit cascade"]],
  [
    "owner rewrites a column",
    [
      "set local role audit_owner",
      "drop view audit.vw_security_audit, audit.audit_log, audit.every_event",
      "alter table audit.audit_events alter action_type type text using 'FORGED'",
    ],
  ],
  [
    "owner hides rows by a policy",
    [
      "set local role audit_owner",
      "alter table audit.audit_events enable row level security",
      "alter table audit.audit_events force row level security",
    ],
  ],
  [
    "owner swallows new events by a rule",
    ["set local role audit_owner", "create rule r as on insert to audit.audit_events do instead nothing"],
  ],
  [
    "admin makes itself the keeper",
    ["grant audit_keeper to current_user", "set local role audit_keeper", GONE],
  ],
  [
    "admin renames the owner to the keeper",
    [
      "alter role audit_keeper rename to audit_keeper_before",
      "alter role audit_owner rename to audit_keeper",
      "set local role audit_keeper",
      GONE,
    ],
  ],
];

test.each(doors)("open to the admin: %s", async (_, statements) => {
  await db.rows("app", "select * from insert_audit_events($1)", [JSON.stringify([event()])]);
  await withClient(db, "admin", async (client) => {
    await client.query("begin");
    for (const statement of statements) await client.query(statement);
    await client.query("rollback");
  });
  const { left } = await one<{ left: number }>(
    db.pool("superuser"),
    "select count(*)::int as left from audit.audit_events",
  );
  expect(left).toBeGreaterThan(0);
});

test("open to the admin: it owns the database and may drop it", async () => {
  const { mine } = await one(
    db.pool("admin"),
    "select datdba = current_user::regrole as mine from pg_database where datname = current_database()",
  );
  expect(mine).toBe(true);
});

test("the owner may add an event that was hidden or back-dated from the start, but not one of another transaction", async () => {
  const [row] = await db.asOwner(
    `insert into audit_events (workspace_id, created_by_user_id, action_type, resource_type, resource_id, created_at, deleted_at, txid)
     values ('ws-fresh', 'u', 'BACKDATED', 't', 'r', date_trunc('month', now()), now(), '1')
     returning txid = pg_current_xact_id() as honest, deleted_at is not null as hidden`,
  );
  expect(row).toEqual({ honest: true, hidden: true });
});

test.each(doors)("closed to the API and the worker: %s", async (_, statements) => {
  for (const role of ["app", "worker"] as const) {
    const failed = await withClient(db, role, (client) => failure(client.query(statements.join(";"))));
    expect(failed).toMatchObject({ code: "42501" });
  }
});

test("the admin stands in audit_owner but not in audit_keeper, so no plain session of it passes the guards", async () => {
  const standing = await one(
    db.pool("admin"),
    // Before PostgreSQL 16 every member could SET ROLE, and there was no word for it.
    `select pg_has_role('audit_owner', v.set) as owner, pg_has_role('audit_keeper', v.set) as keeper,
       pg_has_role('audit_owner', 'usage') as inherits_owner, pg_has_role('audit_keeper', 'usage') as inherits_keeper
     from (select case when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end as set) v`,
  );
  expect(standing).toEqual({ owner: true, keeper: false, inherits_owner: false, inherits_keeper: false });
});

const OF_THE_LOG = "before update or delete or truncate on";
const passes = (name: string) =>
  `create or replace function ${name}() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as 'begin return coalesce(new, old); end'`;

test.each([
  ["rows_guarded", `alter table ${partition} disable trigger audit_events_immutable`],
  ["rows_guarded", "alter table audit_events enable replica trigger audit_events_immutable"],
  [
    "rows_guarded",
    "create or replace trigger audit_events_immutable before update or delete on audit_events for each row when (false) execute function refuse_event_change()",
  ],
  [
    "rows_guarded",
    "create or replace trigger audit_events_immutable before update of txid or delete on audit_events for each row execute function refuse_event_change()",
  ],
  ["rows_guarded", passes("refuse_event_change")],
  ["rows_guarded", "alter function refuse_event_change() reset all"],
  ["rows_guarded", "alter function refuse_event_change() security definer"],
  ["statements_guarded", passes("refuse_event_change")],
  ["statements_guarded", `drop trigger audit_events_immutable_statement on ${partition}`],
  [
    "statements_guarded",
    `create or replace trigger audit_events_immutable_statement before truncate on ${partition} for each statement execute function refuse_event_change()`,
  ],
  [
    "statements_guarded",
    "alter table audit_event_keys disable trigger audit_event_keys_immutable",
    "audit_event_keys",
  ],
  [
    "statements_guarded",
    "drop trigger audit_deletion_log_immutable on audit_deletion_log",
    "audit_deletion_log",
  ],
  [
    "statements_guarded",
    `create function nothing() returns trigger language plpgsql as 'begin return null; end';
     create or replace trigger audit_deletion_log_immutable ${OF_THE_LOG} audit_deletion_log for each statement execute function nothing()`,
    "audit_deletion_log",
  ],
  ["chronology_checked", "alter table audit_events disable trigger audit_events_chronology"],
  ["chronology_checked", passes("check_event_chronology")],
  [
    "chronology_checked",
    "create or replace trigger audit_events_chronology before insert on audit_events for each row when (false) execute function check_event_chronology()",
  ],
  [
    "chronology_checked",
    "create or replace trigger audit_events_chronology after insert on audit_events for each row when (current_user <> 'audit_keeper') execute function check_event_chronology()",
  ],
  [
    "membership_checked",
    "insert into membership_source values ('the one', 'public.members', 'workspace_id', 'user_id')",
  ],
])("partition_guards shows in %s: %s", async (column, statement, table = partition) => {
  const found = await withClient(db, "admin", async (client) => {
    await client.query("begin; set local role audit_owner; set local search_path = audit");
    await client.query(statement);
    const { rows } = await client.query<{ table_name: string }>(
      `select table_name from partition_guards where not ${column}`,
    );
    return rows.map((row) => row.table_name);
  });
  expect(found).toContain(table);
});

test("a check of membership whose function was replaced shows", async () => {
  const bad = await withClient(db, "superuser", async (client) => {
    await client.query(`begin; set local search_path = audit;
      insert into membership_source values ('the one', 'public.members', 'workspace_id', 'user_id');
      alter table audit_events enable trigger check_audit_workspace_membership`);
    const wrong = () => client.query("select from partition_guards where not membership_checked");
    expect((await wrong()).rowCount).toBe(0);
    await client.query(passes("check_workspace_membership"));
    return (await wrong()).rowCount;
  });
  expect(bad).toBeGreaterThan(5);
});

test("partition_guards finds nothing wrong with a fresh database, and says null where no guard is meant to be", async () => {
  const rows = await db.rows(
    "app",
    `select table_name::text as name, rows_guarded, statements_guarded, chronology_checked, membership_checked
     from partition_guards order by 1`,
  );
  const events = {
    rows_guarded: true,
    statements_guarded: true,
    chronology_checked: true,
    membership_checked: null,
  };
  const others = { ...events, rows_guarded: null, chronology_checked: null };
  expect(rows.length).toBeGreaterThan(7);
  const unordered = { ...events, chronology_checked: null };
  for (const { name, ...guards } of rows) {
    const kind = /^audit_(events|events_archive|logs)(_\d|$)/.exec(String(name))?.[1];
    expect(guards, String(name)).toEqual(
      kind === "events" ? events : kind === undefined ? others : unordered,
    );
  }
  expect(rows.map((row) => row.name)).toEqual(
    expect.arrayContaining(["audit_deletion_log", "audit_event_keys", "audit_events", partition]),
  );
});
