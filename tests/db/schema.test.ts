import fs from "node:fs";
import path from "node:path";
import pg from "pg";
import { expect, test } from "vitest";
import { dumpSchema } from "../../db/dump.ts";
import { useDatabase } from "../support/database.ts";

const db = useDatabase();
/** The PostgreSQL whose words db/schema.sql has: the embedded one. */
const WRITTEN_ON = 18;
const FILE = path.resolve(import.meta.dirname, "../../db/schema.sql");

async function dump(): Promise<string> {
  const client = new pg.Client({ connectionString: db.url("admin") });
  await client.connect();
  try {
    return await dumpSchema(client);
  } finally {
    await client.end();
  }
}

test("db/schema.sql says what the database holds", async ({ skip }) => {
  const [server] = await db.rows(
    "admin",
    "select current_setting('server_version_num')::int / 10000 as major",
  );
  skip(server?.major !== WRITTEN_ON, "other versions print views in other words");
  const message = "db/schema.sql is out of date: run `npx tsx tests/db/write-schema.ts` and commit it";
  expect(await dump(), message).toBe(fs.readFileSync(FILE, "utf8"));
});

test("the dump shows a column, a default, a grant and a switched-off trigger that were not there before", async () => {
  const before = await dump();
  await db.asOwner("alter table audit_events add column sidestep int default 7");
  await db.asOwner("grant delete on audit_events to audit_app");
  await db.asOwner("alter table audit_events disable trigger audit_events_immutable");
  const added = (await dump()).split("\n").filter((line) => !before.includes(line));
  await db.asOwner("alter table audit_events drop column sidestep");
  await db.asOwner("revoke delete on audit_events from audit_app");
  await db.asOwner("alter table audit_events enable trigger audit_events_immutable");
  expect(added.join("\n")).toMatch(/sidestep integer default 7[^]*-- disabled[^]*grant delete, insert/);
  expect(await dump()).toBe(before);
});

test("every table, view, function and trigger of ours says in a comment what it is for", async () => {
  const silent = await db.rows(
    "admin",
    `select relname as name from pg_class c
     where relnamespace = 'audit'::regnamespace and relkind in ('r', 'p', 'v')
       and obj_description(oid, 'pg_class') is null
     union all
     select proname from pg_proc
     where pronamespace = 'audit'::regnamespace and obj_description(oid, 'pg_proc') is null
     union all
     select t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid
     where c.relnamespace = 'audit'::regnamespace and not t.tgisinternal and not c.relispartition
       and obj_description(t.oid, 'pg_trigger') is null`,
  );
  expect(silent).toEqual([]);
});

test("no function lets a caller's temporary type stand in for one of the catalog's", async () => {
  // An empty search_path still looks into pg_temp first, where anyone may make a domain called uuid whose check runs code.
  const open = await db.rows(
    "admin",
    `select p.oid::regprocedure::text as name from pg_proc p
     where p.pronamespace = 'audit'::regnamespace
       and p.prosqlbody is null
       and not coalesce('search_path=pg_catalog, pg_temp' = any (p.proconfig), false)
     order by 1`,
  );
  // Inlined into the caller's own query and run with the caller's rights: the planner must see through them.
  expect(open.map((row) => row.name)).toEqual([
    "deletion_stops(text,text,text,text,boolean)",
    "get_audit_trail(text,text,text,integer,integer)",
    "get_audit_trail(text,text,uuid,integer,integer)",
    "get_audit_trail(uuid,text,text,integer,integer)",
    "get_audit_trail(uuid,text,uuid,integer,integer)",
    "trail_worth(audit_trails)",
  ]);
});

test("db/sql/partition-guards.sql knows the guards' functions as the other files make them", async () => {
  const changed = await db.rows(
    "admin",
    "select guard::text, fingerprint from audit.guard_functions where not as_made",
  );
  expect(changed, "write these fingerprints into the view guard_functions").toEqual([]);
});

test("functions that act with another's rights belong to the roles meant for it", async () => {
  const owners = await db.rows(
    "admin",
    `select p.proowner::regrole::text as owner, array_agg(p.proname::text order by p.proname::text) as names
     from pg_proc p
     where p.pronamespace = 'audit'::regnamespace and p.prosecdef
     group by 1 order by 1`,
  );
  expect(owners).toEqual([
    {
      owner: "audit_keeper",
      names: [
        "delete_due_trails",
        "delete_trails_of_deleted_projects",
        "insert_captured_events",
        "insert_service_event",
        "move_rows_from_archive",
        "move_rows_to_archive",
        "roll_up_trails",
        "store_archived_line",
      ],
    },
    { owner: "audit_lookup", names: ["check_workspace_membership"] },
    {
      owner: "audit_owner",
      names: [
        "add_month_partition",
        "analyze_month",
        "archive_month",
        "archive_old_audit_events",
        "archive_plan",
        "archive_rows",
        "begin_file_purge",
        "capture_problems",
        "check_event_chronology",
        "create_monthly_audit_partition",
        "discard_cold_files",
        "drop_cold_month",
        "drop_history_month",
        "forget_dropped",
        "forget_tracked",
        "lock_holds",
        "log_hold_change",
        "log_retention_change",
        "note_cold_file",
        "note_file_removed",
        "note_tracked",
        "sweep_idempotency_keys",
        "switch_capture",
        "switch_membership_check",
        "unarchive_audit_event",
        "unarchive_cold_event",
      ],
    },
  ]);
});
