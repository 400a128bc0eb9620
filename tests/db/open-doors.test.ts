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
      "drop view audit.vw_security_audit",
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
    ["grant audit_keeper to current_user with set true", "set local role audit_keeper", GONE],
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
    `select pg_has_role('audit_owner', 'set') as owner, pg_has_role('audit_keeper', 'set') as keeper,
       pg_has_role('audit_owner', 'usage') as inherits_owner, pg_has_role('audit_keeper', 'usage') as inherits_keeper`,
  );
  expect(standing).toEqual({ owner: true, keeper: false, inherits_owner: false, inherits_keeper: false });
});

test("partition_guards shows each way of switching a guard off", async () => {
  const ways = [
    ["rows_guarded", `alter table ${partition} disable trigger audit_events_immutable`],
    ["rows_guarded", "alter table audit_events enable replica trigger audit_events_immutable"],
    ["statements_guarded", `drop trigger audit_events_immutable_statement on ${partition}`],
    [
      "statements_guarded",
      `create or replace trigger audit_events_immutable_statement before truncate on ${partition} for each statement execute function refuse_event_change()`,
    ],
    [
      "rows_guarded",
      "create or replace trigger audit_events_immutable before update or delete on audit_events for each row when (false) execute function refuse_event_change()",
    ],
    ["chronology_checked", "alter table audit_events disable trigger audit_events_chronology"],
  ] as const;
  for (const [column, statement] of ways) {
    const bad = await withClient(db, "admin", async (client) => {
      await client.query("begin; set local role audit_owner; set local search_path = audit");
      await client.query(statement);
      return one<{ bad: number }>(
        client,
        `select count(*)::int as bad from partition_guards where not ${column}`,
      );
    });
    expect(bad.bad, statement).toBeGreaterThan(0);
  }
  const [sound] = await db.rows(
    "app",
    "select bool_and(rows_guarded and statements_guarded and chronology_checked) as all, count(*)::int > 5 as many from partition_guards",
  );
  expect(sound).toEqual({ all: true, many: true });
});
