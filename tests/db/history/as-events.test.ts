import { beforeAll, describe, expect, test } from "vitest";
import { useDatabase } from "../../support/database.ts";

const db = useDatabase();
const sql = (text: string, values?: unknown[]) => db.rows("admin", text, values);
const events = (workspace: string) =>
  db.rows("app", "select * from audit_events where workspace_id = $1 order by created_at, id", [workspace]);

const WORKSPACES = {
  resourceType: "workspace",
  workspaceColumn: "id",
  resourceColumn: "id",
  insert: "CREATE_WORKSPACE",
  update: "UPDATE_WORKSPACE",
};
const MEMBERS = {
  resourceType: "membership",
  workspaceColumn: "workspace_id",
  resourceColumn: "user_id",
  insert: "ADD_MEMBER",
  delete: "REMOVE_MEMBER",
};
const track = (table: string, asEvents: unknown, options = "") =>
  sql(`select audit.track($1::regclass, as_events => $2::jsonb ${options})`, [
    table,
    JSON.stringify(asEvents),
  ]);

beforeAll(async () => {
  await sql(`
    create schema app;
    create table app.workspaces (id text primary key, name text, secret text, plan text);
    create table app.members (
      workspace_id text not null references app.workspaces on delete cascade, user_id text, role text,
      primary key (workspace_id, user_id)
    );
  `);
  await track("app.workspaces", WORKSPACES, ", exclude => '{secret}', redact => '{plan}'");
  await track("app.members", MEMBERS);
});

describe("a change of a table with as_events", () => {
  test("is an event of the user and request that the transaction set, with what changed and without what is hidden", async () => {
    await sql(`
      begin;
      select set_config('app.user_id', 'alice', true), set_config('app.request_id', 'req-1', true);
      insert into app.workspaces values ('ws-1', 'One', 's3cret', 'gold');
      update app.workspaces set name = 'Uno', secret = 's3cret too';
      commit;
    `);
    const found = await events("ws-1");
    expect(found).toMatchObject([
      {
        action_type: "CREATE_WORKSPACE",
        resource_type: "workspace",
        resource_id: "ws-1",
        created_by_user_id: "alice",
        request_id: "req-1",
        old_values: null,
        new_values: { id: "ws-1", name: "One", plan: "[redacted]" },
        metadata: { source: "capture", table: "app.workspaces" },
      },
      {
        action_type: "UPDATE_WORKSPACE",
        old_values: { name: "One" },
        new_values: { name: "Uno" },
        changed_fields: ["name"],
      },
    ]);
    expect(JSON.stringify(found)).not.toMatch(/s3cret|gold/);
    expect(await sql("select from audit_logs where table_name = 'workspaces'")).toHaveLength(2);
  });

  test("by nobody that is known is one of the database login, and each row of a statement is one", async () => {
    await sql("insert into app.workspaces values ('ws-2', 'Two')");
    await sql("insert into app.members values ('ws-2', 'ann', 'admin'), ('ws-2', 'bea', 'user')");
    await sql("update app.members set role = 'user'");
    await sql("truncate app.members");
    const found = await events("ws-2");
    expect(found.map((event) => [event.action_type, event.resource_id])).toEqual([
      ["CREATE_WORKSPACE", "ws-2"],
      ["ADD_MEMBER", "ann"],
      ["ADD_MEMBER", "bea"],
      ["REMOVE_MEMBER", "ann"],
      ["REMOVE_MEMBER", "bea"],
    ]);
    expect(new Set(found.map((event) => event.created_by_user_id))).toEqual(
      new Set(["database:afterimage_admin"]),
    );
  });

  test("is an event by somebody who is no member as well, and none when the transaction is rolled back", async () => {
    await sql("select audit.set_membership_source('app.members', 'workspace_id', 'user_id')");
    try {
      await sql(
        "begin; select set_config('app.user_id', 'stranger', true); insert into app.workspaces values ('ws-3', 'x'); commit",
      );
      await sql("begin; insert into app.workspaces values ('ws-4', 'x'); rollback");
    } finally {
      await sql("select audit.set_membership_source(null, null, null)");
    }
    expect(await events("ws-3")).toHaveLength(1);
    expect(await events("ws-4")).toEqual([]);
  });

  test("is an event after columns were renamed, too", async () => {
    await sql("alter table app.workspaces rename name to title; alter table app.workspaces rename id to key");
    await sql("insert into app.workspaces values ('ws-5', 'x')");
    expect(await events("ws-5")).toMatchObject([{ resource_id: "ws-5", new_values: { title: "x" } }]);
    await sql("alter table app.workspaces rename key to id");
    await track("app.workspaces", WORKSPACES, ", exclude => '{secret}', redact => '{plan}'");
  });
});

test("nobody but a trigger function writes such events, and of no other kind than was asked for", async () => {
  const forge = "select audit.insert_captured_events('app.members'::regclass, 'UPDATE', '[{}]')";
  for (const role of ["app", "worker", "admin"] as const)
    await expect(db.rows(role, forge)).rejects.toMatchObject({ code: "42501" });
  await expect(db.rows("superuser", `begin; set local role audit_recorder; ${forge}`)).rejects.toMatchObject({
    message: "No events were asked for with this table",
  });
  await db.rows("superuser", "rollback");
});

test("a table without as_events has no code for them", async () => {
  await sql("create table app.plain (id int primary key); select audit.track('app.plain')");
  const [found] = await sql(
    "select prosrc from pg_proc where oid = ('audit.capture_' || 'app.plain'::regclass::oid)::regproc",
  );
  expect(found?.prosrc).not.toContain("insert_captured_events");
});

test.each([
  ["no object", [], /must be a JSON object/],
  ["a key too many", { ...WORKSPACES, truncate: "X" }, /has no key truncate/],
  ["a key too few", { ...WORKSPACES, resourceType: undefined }, /lacks resourceType/],
  ["no operation", { resourceType: "w", workspaceColumn: "id", resourceColumn: "id" }, /lacks insert/],
  ["an empty name", { ...WORKSPACES, insert: "" }, /insert must be a text/],
  [
    "a column that may be null",
    { ...WORKSPACES, workspaceColumn: "title" },
    /names title, which is no NOT NULL column/,
  ],
  ["a column that is not there", { ...WORKSPACES, resourceColumn: "nope" }, /names nope/],
])("as_events with %s is refused", async (_, asEvents, message) => {
  await expect(track("app.workspaces", asEvents)).rejects.toMatchObject({
    message: expect.stringMatching(message),
  });
});
