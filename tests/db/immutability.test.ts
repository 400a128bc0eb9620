import { beforeAll, describe, expect, test } from "vitest";
import { useDatabase, type Role } from "../support/database.ts";
import { attacks, attacksOfTheAdmin, attacksOfTheApp, type Attack } from "./attacks.ts";
import { event, failure, one, partitionOfNow, withClient } from "./helpers.ts";

const db = useDatabase();
const IMMUTABLE = { code: "42501", message: "Audit events are immutable" };

/** Everything that the stored events, their guards and their table say. */
async function fingerprint(): Promise<string> {
  const { print } = await one<{ print: string }>(
    db.pool("superuser"),
    `select md5(
       (select string_agg(e::text || e.tableoid::regclass, '|' order by e.id) from audit.audit_events e
        where e.workspace_id = 'ws-sealed')
       || (select string_agg(t.tgrelid::regclass || t.tgname || t.tgenabled::text, '|' order by t.tgrelid, t.tgname)
           from pg_trigger t join pg_class c on c.oid = t.tgrelid where c.relnamespace = 'audit'::regnamespace)
       || (select string_agg(p.oid::regprocedure || md5(p.prosrc), '|' order by p.oid) from pg_proc p
           where p.pronamespace = 'audit'::regnamespace)
       || (select string_agg(k::text, '|' order by k.event_id) from audit.audit_event_keys k where k.workspace_id = 'ws-sealed')
     ) as print`,
  );
  return print;
}

beforeAll(async () => {
  const events = Array.from({ length: 20 }, (_, i) =>
    event({ workspace_id: "ws-sealed", event_id: `e-${i}`, old_values: { i }, new_values: { i: i + 1 } }),
  );
  await db.rows("app", "select * from insert_audit_events($1)", [JSON.stringify(events)]);
});

async function attempt(role: Role, { sql }: Attack): Promise<{ code: string; message: string }> {
  return withClient(db, role, async (client) => {
    for (const statement of sql) {
      const failed = await failure(client.query(statement));
      if (failed.code !== "") return failed;
    }
    return { code: "", message: "every statement passed" };
  });
}

describe.each<[Role, Attack[]]>([
  ["app", [...attacks, ...attacksOfTheApp]],
  ["admin", [...attacks, ...attacksOfTheAdmin]],
])("as %s", (role, list) => {
  test("there are at least thirty ways to try", () => {
    expect(new Set(list.map((attack) => attack.sql.join(";"))).size).toBeGreaterThanOrEqual(30);
    expect(new Set(list.map((attack) => attack.name)).size).toBe(list.length);
  });

  test.each(list)("$name is refused and leaves the events as they were", async (attack) => {
    const before = await fingerprint();
    const failed = await attempt(role, attack);
    expect(failed).toMatchObject(
      role === "admin" && attack.isGuarded ? IMMUTABLE : { code: attack.code ?? "42501" },
    );
    expect(await fingerprint()).toBe(before);
  });
});

describe("as the admin, in its own name", () => {
  test("an event is written as the API writes it, under the same checks", async () => {
    const columns = "workspace_id, created_by_user_id, action_type, resource_type, resource_id, created_at";
    const insert = (action: string, at: string) =>
      db.rows(
        "admin",
        `insert into audit_events (${columns}) values ('ws-admin', 'u', '${action}', 't', 'r', ${at})
         returning txid = pg_current_xact_id() as honest`,
      );
    expect(await insert("TEST", "clock_timestamp()")).toEqual([{ honest: true }]);
    expect(await failure(insert("", "clock_timestamp()"))).toMatchObject({
      code: "23514",
      constraint: expect.stringContaining("check_action_type_not_empty"),
    });
    expect(await failure(insert("TEST", "clock_timestamp() - interval '10 s'"))).toMatchObject({
      code: "23514",
      message: "Audit event timestamp is before last event",
    });
  });

  test("a workspace whose watermark it made in the future still takes events, dated by the server", async () => {
    await db.rows(
      "admin",
      "insert into audit_event_sequence values ('ws-ahead', null, now() + interval '1 year')",
    );
    const [written] = await db.rows(
      "app",
      "select insert_audit_event('TEST', 't', 'r', 'ws-ahead', 'u') is not null as yes",
    );
    expect(written).toEqual({ yes: true });
  });

  // Who may be refused by a guard may take the lock first. The admin could as the owner, too.
  test.each([
    "select * from audit_events for update",
    "select * from audit_events for no key update",
    "lock table audit_events in access exclusive mode",
    "truncate only audit_events",
  ])("%s: changes nothing", async (statement) => {
    const before = await fingerprint();
    await withClient(db, "admin", async (client) => {
      await client.query("begin");
      const { code } = await failure(client.query(statement));
      expect(code).toBe(statement.startsWith("truncate") ? "42809" : "");
      await client.query("commit");
    });
    expect(await fingerprint()).toBe(before);
  });
});

describe("as the owner of the table", () => {
  const partition = partitionOfNow();
  const statements = [
    "update audit_events set action_type = 'FORGED'",
    "update audit_events set action_type = 'FORGED' where false",
    "delete from audit_events where workspace_id = 'ws-sealed'",
    "delete from audit_events where false",
    "truncate audit_events",
    "truncate audit_events, audit_event_keys",
    `update ${partition} set action_type = 'FORGED'`,
    `update ${partition} set action_type = 'FORGED' where false`,
    `delete from ${partition}`,
    `truncate ${partition}`,
    "with gone as (delete from audit_events returning 1) select * from gone",
    "merge into audit_events e using (values (1)) v on e.workspace_id = 'ws-sealed' when matched then delete",
    "insert into audit_events select * from audit_events where workspace_id = 'ws-sealed' on conflict (id, created_at) do update set action_type = 'FORGED'",
  ];
  test.each(statements)("%s: immutable", async (statement) => {
    const before = await fingerprint();
    const failed = await failure(db.asOwner(statement));
    expect(failed).toMatchObject(IMMUTABLE);
    expect(await fingerprint()).toBe(before);
  });

  test("no view leads to them", async () => {
    for (const view of ["vw_security_audit", "every_event", "audit_log"]) {
      expect(await failure(db.asOwner(`delete from ${view}`))).toMatchObject({ code: "55000" });
    }
  });

  test("every partition, also one made later, refuses even a statement that matches no row", async () => {
    await db.asOwner("select create_monthly_audit_partition(6)");
    const partitions = await db.rows<{ name: string }>(
      "admin",
      "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'audit.audit_events'::regclass",
    );
    expect(partitions.length).toBeGreaterThanOrEqual(8);
    for (const { name } of partitions) {
      for (const verb of [
        `update ${name} set metadata = null where false`,
        `delete from ${name} where false`,
        `truncate ${name}`,
      ]) {
        expect(await failure(db.asOwner(verb)), verb).toMatchObject(IMMUTABLE);
      }
    }
  });

  test("a cascade from another table stops at the events", async () => {
    const failed = await withClient(db, "admin", async (client) => {
      await client.query("begin; set local role audit_owner; set local search_path = audit");
      await client.query("create table owners (workspace_id text primary key)");
      await client.query("insert into owners select distinct workspace_id from audit_events");
      await client.query(
        "alter table audit_events add foreign key (workspace_id) references owners on delete cascade",
      );
      return failure(client.query("delete from owners"));
    });
    expect(failed).toMatchObject(IMMUTABLE);
  });

  test("a detached partition still refuses changes", async () => {
    const failed = await withClient(db, "admin", async (client) => {
      await client.query("begin; set local role audit_owner; set local search_path = audit");
      await client.query(`alter table audit_events detach partition ${partition}`);
      return failure(client.query(`delete from ${partition}`));
    });
    expect(failed).toMatchObject(IMMUTABLE);
  });

  test("natural keys and the deletion log are append-only too", async () => {
    expect(await failure(db.asOwner("delete from audit_event_keys"))).toMatchObject({
      code: "42501",
      message: "Audit event keys are immutable",
    });
    expect(await failure(db.asOwner("truncate audit_deletion_log"))).toMatchObject({
      code: "42501",
      message: "Entries of the deletion log are immutable",
    });
  });

  test("a transaction id cannot be forged", async () => {
    const [row] = await db.asOwner(
      `insert into audit_events (workspace_id, created_by_user_id, action_type, resource_type, resource_id, txid)
       values ('ws-txid', 'u', 'TEST', 't', 'r', '1') returning txid = pg_current_xact_id() as honest`,
    );
    expect(row).toEqual({ honest: true });
  });
});
