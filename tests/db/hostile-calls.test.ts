import { beforeAll, describe, expect, test } from "vitest";
import { useDatabase, type Role } from "../support/database.ts";
import { event, failure, one, withClient } from "./helpers.ts";

const db = useDatabase();

async function checksum(): Promise<string> {
  const { sum } = await one<{ sum: string }>(
    db.pool("superuser"),
    "select md5(string_agg(e::text, '|' order by e.id)) as sum from audit.audit_events e where workspace_id = 'ws-sealed'",
  );
  return sum;
}

beforeAll(async () => {
  const events = [1, 2, 3].map((i) => event({ workspace_id: "ws-sealed", event_id: `e-${i}` }));
  await db.rows("app", "select * from insert_audit_events($1)", [JSON.stringify(events)]);
});

const SQL = "'; delete from audit.audit_events; --";
const HOSTILE_EVENT = event({
  workspace_id: "ws-sealed",
  event_id: "e-1",
  id: "00000000-0000-7000-8000-000000000000",
  created_at: "2000-01-01",
  txid: "1",
  deleted_at: "2000-01-01",
  action_type: SQL,
});
/** Per type, what a hostile caller would pass. */
const HOSTILE: Record<string, unknown[]> = {
  text: [null, "", SQL, "audit.audit_events", "ws-sealed", "\\", "x".repeat(10_000)],
  name: [null, "audit_events", 'x"; drop table audit.audit_events; --'],
  jsonb: [
    null,
    "null",
    "[]",
    "{}",
    JSON.stringify([HOSTILE_EVENT]),
    JSON.stringify(HOSTILE_EVENT),
    "[[[]]]",
    '"x"',
  ],
  integer: [null, -1, 0, 1, 2_147_483_647],
  "integer[]": [null, [], [0, -1, 2_147_483_647, null]],
  bigint: [null, -1, 0, "9223372036854775807"],
  xid: [null, 0, 2, 4_294_967_295],
  xid8: [null, "0", "3", "18446744073709551615"],
  uuid: [null, "00000000-0000-0000-0000-000000000000"],
  "uuid[]": [null, [], ["00000000-0000-0000-0000-000000000000", null]],
  bytea: [null, Buffer.alloc(0), Buffer.alloc(100_000)],
  "text[]": [null, [], [SQL]],
  oid: [null, 0, 1_259],
  "oid[]": [null, [], [0, 1_259, null]],
  boolean: [null, true, false],
  regclass: [null, "audit.audit_events", "audit.vw_security_audit", "pg_class"],
  "timestamp with time zone": [null, "infinity", "-infinity", "4713-01-01 BC"],
  date: [null, "infinity", "2031-01-01"],
  audit_trails: [null],
  "audit.audit_trails": [null],
  audit_retention_policies: [null],
};

interface Callable {
  name: string;
  types: string[];
}

function callables(role: Role): Promise<Callable[]> {
  return db.rows<Callable & Record<string, unknown>>(
    role,
    `select p.oid::regproc::text as name, array(select format_type(t, null) from unnest(p.proargtypes) t) as types
     from pg_proc p
     where p.pronamespace = 'audit'::regnamespace
       and p.prorettype <> 'trigger'::regtype
       and has_function_privilege(p.oid, 'execute')
     order by p.oid`,
  );
}

describe.each<Role>(["app", "worker", "admin"])("as %s", (role) => {
  test("no function of the schema, whatever it is given, alters or removes an event", async () => {
    const before = await checksum();
    const functions = await callables(role);
    expect(functions.length).toBeGreaterThan(3);
    let calls = 0;
    await withClient(db, role, async (client) => {
      for (const { name, types } of functions) {
        const parameters = types.map((type, i) => `$${i + 1}::${type}`).join(", ");
        const most = Math.max(1, ...types.map((type) => HOSTILE[type]?.length ?? 0));
        for (let round = 0; round < most; round++) {
          const values = types.map((type) => {
            const list = HOSTILE[type];
            if (list === undefined) throw new Error(`no hostile value for the type ${type} of ${name}`);
            return list[round % list.length];
          });
          await client.query(`select * from ${name}(${parameters})`, values).catch(() => undefined);
          calls++;
        }
      }
    });
    expect(calls).toBeGreaterThan(functions.length);
    expect(await checksum()).toBe(before);
  });

  test("the functions it may not call refuse it", async () => {
    const closed = await db.rows<Callable & Record<string, unknown>>(
      "superuser",
      `select p.oid::regproc::text as name, array(select format_type(t, null) from unnest(p.proargtypes) t) as types
       from pg_proc p
       where p.pronamespace = 'audit'::regnamespace and p.prorettype <> 'trigger'::regtype
         and not has_function_privilege($1, p.oid, 'execute')`,
      [{ app: "audit_app", worker: "audit_worker", admin: "afterimage_admin", superuser: "" }[role]],
    );
    expect(closed.length).toBeGreaterThan(0);
    for (const { name, types } of closed) {
      const nulls = types.map((type) => `null::${type}`).join(", ");
      expect(await failure(db.rows(role, `select * from ${name}(${nulls})`)), name).toMatchObject({
        code: "42501",
      });
    }
  });
});

/** A domain in pg_temp named like a type that the functions use, whose check runs the caller's code. */
function trap(type: string): string {
  return `
    create function pg_temp.evil(pg_catalog.${type}) returns boolean language plpgsql as $$
    begin
      if current_user = 'audit_keeper' or current_user = 'audit_owner' then
        raise exception 'runs as %', current_user;
      end if;
      return true;
    end $$;
    create domain pg_temp.${type} as pg_catalog.${type} check (pg_temp.evil(value));`;
}

const TYPES = [
  "uuid",
  "jsonb",
  "text",
  "timestamptz",
  "int4",
  "bool",
  "name",
  "bytea",
  "inet",
  "xid8",
  "date",
];

test.each<[Role, string]>([
  ["app", `select audit.insert_service_event('${JSON.stringify(event())}')`],
  [
    "app",
    `select * from audit.ingest_audit_events('${JSON.stringify([event({ event_id: "t" })])}', gen_random_uuid(), 'k', '\\x01')`,
  ],
  [
    "app",
    "insert into audit.audit_events (workspace_id, created_by_user_id, action_type, resource_type, resource_id) values ('w', 'u', 'a', 'b', 'c')",
  ],
  ["worker", "select audit.roll_up_trails(10)"],
  ["worker", "select audit.delete_due_trails(10)"],
  ["worker", "select audit.delete_trails_of_deleted_projects(10)"],
  ["worker", "select audit.create_monthly_audit_partition(9)"],
  ["worker", "select audit.sweep_idempotency_keys(10)"],
  ["admin", "select audit.set_membership_source(null, null, null)"],
])("as %s, temporary types get no code into %s", async (role, call) => {
  await withClient(db, role, async (client) => {
    for (const type of TYPES) await client.query(trap(type));
    // An answer, or a refusal for a reason of its own: never the trap's.
    expect((await failure(client.query(call))).message).not.toMatch(/runs as/);
  });
});

test("the trap works where a function leaves pg_temp in front", async () => {
  await withClient(db, "admin", async (client) => {
    await client.query("begin; set local role audit_owner");
    await client.query(
      "create function audit.careless() returns void language plpgsql security definer set search_path = '' as $$ declare v uuid; begin v := gen_random_uuid(); end $$",
    );
    await client.query("grant execute on function audit.careless() to public; reset role");
    await client.query(trap("uuid"));
    expect((await failure(client.query("select audit.careless()"))).message).toBe("runs as audit_owner");
  });
});
