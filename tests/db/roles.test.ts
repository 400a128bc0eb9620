import { expect, test } from "vitest";
import { useDatabase } from "../support/database.ts";

const db = useDatabase();

test("the admin that migrates is no superuser, as on a managed Postgres", async () => {
  const [role] = await db.rows(
    "admin",
    "select rolsuper, rolcreaterole from pg_roles where rolname = current_user",
  );
  expect(role).toEqual({ rolsuper: false, rolcreaterole: true });
});

test("the API's role finds the tables unqualified and is bounded in time", async () => {
  const [settings] = await db.rows(
    "app",
    "select current_setting('search_path') as path, current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock",
  );
  expect(settings).toEqual({ path: "audit, public", statement: "10s", lock: "5s" });
});

test("an event written by the API's role gets its id, time and transaction from the database", async () => {
  const [event] = await db.rows(
    "app",
    "select insert_audit_event('TEST', 'workspace', 'r-1', 'ws-1', 'u-1') as id",
  );
  const [row] = await db.rows("app", "select * from audit_events where id = $1", [event?.id]);
  expect(row).toMatchObject({
    action_type: "TEST",
    workspace_id: "ws-1",
    created_by_user_id: "u-1",
    deleted_at: null,
  });
  expect(row?.txid).toMatch(/^\d+$/);
});
