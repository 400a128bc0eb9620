import { beforeAll, beforeEach, expect, test } from "vitest";
import { useDatabase } from "../support/database.ts";
import { event, failure, one, withClient } from "./helpers.ts";

const db = useDatabase();
const ODD = `Team; drop table audit.audit_events; --"s`;
const quoted = `public."${ODD.replaceAll('"', '""')}"`;

beforeAll(async () => {
  await db.rows("admin", "create table public.members (workspace_id uuid, user_id int, since timestamptz)");
  await db.rows("admin", "insert into public.members values ('018f0000-0000-7000-8000-000000000000', 7)");
  await db.rows("admin", `create table ${quoted} ("work""space" text, "user' or true" text)`);
  await db.rows("admin", `insert into ${quoted} values ('ws-odd', 'u-odd')`);
});
beforeEach(() => db.rows("admin", "select audit.set_membership_source(null, null, null)"));

const WS = "018f0000-0000-7000-8000-000000000000";
const write = (workspace: string, user: string) =>
  db.rows("app", "select * from insert_audit_events($1)", [
    JSON.stringify([event({ workspace_id: workspace, created_by_user_id: user })]),
  ]);
const on = (table: string, workspace = "workspace_id", user = "user_id") =>
  db.rows("admin", "select audit.set_membership_source($1::regclass, $2::name, $3::name)", [
    table,
    workspace,
    user,
  ]);

test("off, everyone writes; on, members only; off again, everyone", async () => {
  await write(WS, "8");
  await on("public.members");
  await write(WS, "7");
  expect(await failure(write(WS, "8"))).toEqual({
    code: "23514",
    message: "User is not a member of the workspace",
    constraint: "check_audit_workspace_membership",
  });
  await db.rows("admin", "select audit.set_membership_source(null, null, null)");
  await write(WS, "8");
});

test("the service's own events are written for people who are no members", async () => {
  await on("public.members");
  const { id } = await one(db.pool("app"), "select audit.insert_service_event($1) as id", [
    JSON.stringify(event({ workspace_id: WS, created_by_user_id: "auditor" })),
  ]);
  expect(id).toBeTruthy();
});

test("the trigger can be disabled and enabled by its name, as operators do it", async () => {
  await on("public.members");
  await db.asOwner("alter table audit_events disable trigger check_audit_workspace_membership");
  await write(WS, "8");
  await db.asOwner("alter table audit_events enable trigger check_audit_workspace_membership");
  expect(await failure(write(WS, "8"))).toMatchObject({ code: "23514" });
});

test("enabled without a source it refuses nobody", async () => {
  await db.asOwner("alter table audit_events enable trigger check_audit_workspace_membership");
  await write(WS, "8");
});

test("a change of members counts at once, in the same transaction too", async () => {
  await on("public.members");
  await db.rows("admin", "insert into public.members values ($1, 9)", [WS]);
  await write(WS, "9");
  await db.rows("admin", "delete from public.members where user_id = 9");
  expect(await failure(write(WS, "9"))).toMatchObject({ code: "23514" });
});

test("names with quotes and SQL in them stay names", async () => {
  await on(quoted, 'work"space', "user' or true");
  await write("ws-odd", "u-odd");
  expect(await failure(write("ws-odd", "u-other"))).toMatchObject({ code: "23514" });
});

test.each([
  ["an unknown column", "public.members", "workspace", "user_id", "42703"],
  ["SQL for a column", "public.members", "workspace_id", "user_id) or (true", "42703"],
  ["a system column", "public.members", "workspace_id", "ctid", "42703"],
  ["an unknown table", "public.nowhere", "workspace_id", "user_id", "42P01"],
  ["SQL for a table", "public.members where true --", "workspace_id", "user_id", "42601"],
])("%s is refused and the check stays off", async (_, table, workspace, user, code) => {
  const failed = await failure(on(table, workspace, user));
  expect([code, "42602"]).toContain(failed.code);
  await write(WS, "8");
});

test("no column at all is refused", async () => {
  const failed = await failure(
    db.rows("admin", "select audit.set_membership_source('public.members', null, 'user_id')"),
  );
  expect(failed.code).toBe("42703");
});

test("a table under row-level security is refused, because the check would see no members", async () => {
  await db.rows("admin", "create table public.hidden (workspace_id text, user_id text)");
  await db.rows("admin", "alter table public.hidden enable row level security");
  expect(await failure(on("public.hidden"))).toMatchObject({
    code: "55000",
    message: expect.stringContaining("row-level security"),
  });
});

test("a table that is not the caller's is refused", async () => {
  await db.rows("superuser", "create table public.foreign_members (workspace_id text, user_id text)");
  expect((await failure(on("public.foreign_members"))).code).toBe("42501");
  await write(WS, "8");
});

test("another schema is opened to the check and to nobody else", async () => {
  await db.rows("admin", "create schema app");
  await db.rows("admin", "create table app.team (workspace_id text, user_id text)");
  await db.rows("admin", "insert into app.team values ('ws-app', 'u-app')");
  await on("app.team");
  await write("ws-app", "u-app");
  expect(await failure(write("ws-app", "u-other"))).toMatchObject({ code: "23514" });
  expect(await failure(db.rows("app", "select * from app.team"))).toMatchObject({ code: "42501" });
});

test("a view's own code runs without the owner's rights", async () => {
  await db.rows(
    "admin",
    `create function public.peek() returns text language plpgsql volatile as $$
    begin
      raise exception 'runs as % who may update events: %', current_user,
        has_table_privilege('audit.audit_events', 'update, delete, truncate, insert');
    end $$`,
  );
  await db.rows("admin", "grant execute on function public.peek() to public");
  await db.rows(
    "admin",
    "create view public.trap as select 'ws-trap'::text as workspace_id, public.peek() as user_id",
  );
  await on("public.trap");
  expect((await failure(write("ws-trap", "u"))).message).toBe(
    "runs as audit_lookup who may update events: f",
  );
});

test("the API and the worker may not switch it", async () => {
  for (const role of ["app", "worker"] as const) {
    for (const call of ["set_membership_source", "switch_membership_check"]) {
      expect(await failure(db.rows(role, `select audit.${call}(null, null, null)`))).toMatchObject({
        code: "42501",
      });
    }
  }
});

test("waits for writers no longer than its time-out", async () => {
  await withClient(db, "app", async (writer) => {
    await writer.query("begin");
    await writer.query("select * from insert_audit_events($1)", [JSON.stringify([event()])]);
    expect(await failure(on("public.members"))).toMatchObject({ code: "55P03" });
    await writer.query("rollback");
  });
  await on("public.members");
});
