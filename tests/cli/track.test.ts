import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { useCli } from "../support/cli.ts";
import { useDatabase } from "../support/database.ts";

const db = useDatabase();
const cli = useCli(db);
const afterimage = (...args: string[]) => cli(args);

const entries = () => db.rows("app", "select table_name, record_id, new_values from audit_logs order by id");

const openAlerts = () => db.rows("app", "select code from alerts where resolved_at is null");

beforeAll(async () => {
  await db.rows(
    "admin",
    "create schema app; create table app.one (id int primary key, secret text); create table app.two (id int primary key)",
  );
});

test("tables are recorded, rested by the kill switch, and let go, each written down", async () => {
  expect(await afterimage("track", "app.one", "--exclude", "secret")).toMatchObject({
    code: 0,
    stdout: "Recording app.one.\n",
  });
  expect(await afterimage("track", "app.two")).toMatchObject({ code: 0 });
  await db.rows("admin", "insert into app.one values (1, 'x'); insert into app.two values (1)");
  expect(await entries()).toEqual([
    { table_name: "one", record_id: "1", new_values: { id: 1 } },
    { table_name: "two", record_id: "1", new_values: { id: 1 } },
  ]);
  const switched = await afterimage("capture", "off");
  expect(switched.stdout).toContain("2 tables");
  expect(switched.stdout).toContain("The alert capture.off is open until: npx afterimage capture on");
  expect(await openAlerts()).toEqual([{ code: "capture.off" }]);
  await db.rows("admin", "insert into app.two values (2)");
  await afterimage("capture", "on");
  expect(await openAlerts()).toEqual([]);
  await db.rows("admin", "insert into app.two values (3)");
  expect((await afterimage("untrack", "app.two")).stdout).toBe("No longer recording app.two.\n");
  await db.rows("admin", "insert into app.two values (4)");
  expect((await entries()).map((entry) => entry.record_id)).toEqual(["1", "1", "3"]);
  const events = await db.rows(
    "app",
    "select action_type from audit_events where action_type ~ 'TRACK|CAPTURE' order by created_at, id",
  );
  expect(events.map((event) => event.action_type)).toEqual([
    "TRACK_TABLE",
    "TRACK_TABLE",
    "SWITCH_CAPTURE_OFF",
    "SWITCH_CAPTURE_ON",
    "UNTRACK_TABLE",
  ]);
}, 30_000);

test("a change is a workspace event where a file says so", async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-events-"));
  const file = path.join(folder, "events.json");
  try {
    await db.rows("admin", "create table app.spaces (id text primary key)");
    fs.writeFileSync(file, "{ not json");
    expect((await afterimage("track", "app.spaces", "--as-events", file)).stderr).toMatch(/is no JSON/);
    const names = { resourceType: "workspace", workspaceColumn: "id", resourceColumn: "id" };
    fs.writeFileSync(file, JSON.stringify({ ...names, insert: "CREATE_WORKSPACE" }));
    expect(await afterimage("track", "app.spaces", "--as-events", file)).toMatchObject({ code: 0 });
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
  await db.rows("admin", "insert into app.spaces values ('ws-cli')");
  expect(await db.rows("app", "select action_type from audit_events where workspace_id = 'ws-cli'")).toEqual([
    { action_type: "CREATE_WORKSPACE" },
  ]);
}, 30_000);

test.each([
  [["track", "app.none"], /There is no table app\.none in the database of MIGRATE_DATABASE_URL/],
  [["track", "no_schema.one"], /There is no table no_schema\.one in the database/],
  [["untrack", "not a name"], /There is no table not a name in the database.*schema\.name/],
  [["track", "app.one", "--exclude", "nope"], /Column nope does not exist in app.one/],
  [["track", "app.one", "--on-error", "panic"], /Allowed choices are block, warn/],
  [["capture", "maybe"], /Say on or off/],
])("%j is refused in words", async (args, message) => {
  const { code, stderr } = await afterimage(...args);
  expect(code).toBe(1);
  expect(stderr).toMatch(message);
});

test("a database that was never migrated is not taken for one that lacks the table", async () => {
  const admin = new URL(db.url("admin"));
  admin.pathname = "/postgres";
  const { stderr } = await cli(["track", "app.one"], { MIGRATE_DATABASE_URL: admin.href });
  expect(stderr).toMatch(/^afterimage: Postgres refused .* run: npx afterimage migrate\n$/);
});
