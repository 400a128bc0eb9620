import { beforeAll, describe, expect, test } from "vitest";
import { useDatabase } from "../../support/database.ts";

const db = useDatabase();

// Word for word; the runbook's placeholder is a record's id here.
const IDENTIFY_THE_SOURCE_RECORD = `
   SELECT created_at, action, old_values, new_values
   FROM audit_logs
   WHERE table_name = 'customer_profiles' AND record_id = '...'
   ORDER BY created_at DESC;`;
const CHECK_AUDIT_TRAIL = `
-- Check audit trail for recent changes
SELECT actor, event, entity, created_at, meta
FROM audit_log
WHERE created_at > NOW() - INTERVAL '1 hour'
ORDER BY created_at DESC;`;
const IDENTIFY_AFFECTED_RECORDS = `
-- Identify affected records
SELECT entity_id, event, meta->>'old' as old_data, meta->>'new' as new_data
FROM audit_log
WHERE event LIKE '%_deleted'
AND created_at > NOW() - INTERVAL '1 hour';`;

beforeAll(async () => {
  const sql = (text: string) => db.rows("admin", text);
  await sql(
    "create table public.customer_profiles (customer_profiles_id text primary key, display_name text)",
  );
  await sql("select audit.track('public.customer_profiles')");
  const asAlice = (text: string) =>
    sql(`begin; select set_config('app.user_id', 'alice', true); ${text}; commit`);
  await asAlice("insert into customer_profiles values ('...', 'Ann'), ('other', 'Bob')");
  await asAlice("update customer_profiles set display_name = 'Bea' where customer_profiles_id = '...'");
  await asAlice("delete from customer_profiles where customer_profiles_id = '...'");
  await db.rows("app", "select insert_audit_event('CREATE_WORKSPACE', 'workspace', 'w-1', 'w-1', 'bob')");
});

describe.each(["admin", "worker", "app"] as const)("as %s", (role) => {
  test("the runbook finds a record's changes, newest first, with the last known-good values", async () => {
    const found = await db.rows(role, IDENTIFY_THE_SOURCE_RECORD);
    expect(found).toEqual([
      {
        created_at: expect.any(Date),
        action: "DELETE",
        old_values: { customer_profiles_id: "...", display_name: "Bea" },
        new_values: null,
      },
      {
        created_at: expect.any(Date),
        action: "UPDATE",
        old_values: { customer_profiles_id: "...", display_name: "Ann" },
        new_values: { display_name: "Bea" },
      },
      {
        created_at: expect.any(Date),
        action: "INSERT",
        old_values: null,
        new_values: { customer_profiles_id: "...", display_name: "Ann" },
      },
    ]);
  });

  test("the operations page finds recent changes of rows and events of workspaces, newest first", async () => {
    const found = await db.rows(role, CHECK_AUDIT_TRAIL);
    expect(found.map(({ actor, event, entity }) => [actor, event, entity])).toEqual([
      ["bob", "CREATE_WORKSPACE", "workspace"],
      ["alice", "customer_profiles_deleted", "customer_profiles"],
      ["alice", "customer_profiles_updated", "customer_profiles"],
      ["alice", "customer_profiles_inserted", "customer_profiles"],
      ["alice", "customer_profiles_inserted", "customer_profiles"],
    ]);
    expect(found[2]?.meta).toMatchObject({
      old: { display_name: "Ann" },
      new: { display_name: "Bea" },
    });
  });

  test("the operations page finds what was deleted, with the values that it had", async () => {
    expect(await db.rows(role, IDENTIFY_AFFECTED_RECORDS)).toEqual([
      {
        entity_id: "...",
        event: "customer_profiles_deleted",
        old_data: '{"display_name": "Bea", "customer_profiles_id": "..."}',
        new_data: null,
      },
    ]);
  });
});
