import { describe, expect, test } from "vitest";
import { useDatabase } from "../support/database.ts";
import { event, failure, one, withClient } from "./helpers.ts";

const db = useDatabase();

interface Result {
  ordinality: number;
  id: string;
  created_at: Date;
  duplicate: boolean;
  conflict: boolean;
}

const insertAll = (events: unknown) =>
  db.rows<Result & Record<string, unknown>>(
    "app",
    "select * from insert_audit_events($1) order by ordinality",
    [JSON.stringify(events)],
  );

async function count(workspace: string): Promise<number> {
  const row = await one<{ n: number }>(
    db.pool("app"),
    "select count(*)::int as n from audit.audit_events where workspace_id = $1",
    [workspace],
  );
  return row.n;
}

describe("a batch", () => {
  test("answers in its own order, with the ids and times that are stored", async () => {
    const results = await insertAll(
      [1, 2, 3].map((i) => event({ workspace_id: "ws-order", resource_id: `r-${i}` })),
    );
    expect(results.map((row) => row.ordinality)).toEqual([1, 2, 3]);
    for (const [i, { id, created_at }] of results.entries()) {
      const stored = await one(
        db.pool("app"),
        "select resource_id, created_at from audit.audit_events where id = $1",
        [id],
      );
      expect(stored).toEqual({ resource_id: `r-${i + 1}`, created_at });
    }
  });

  test.each([
    ["an empty action", { action_type: "" }, "check_action_type_not_empty"],
    ["a blank resource type", { resource_type: "  " }, "check_resource_type_not_empty"],
    ["no workspace", { workspace_id: null }, "check_workspace_id_not_null"],
    ["no user", { created_by_user_id: null }, "check_created_by_user_id_not_null"],
    ["old values that are no object", { old_values: [1] }, "check_old_values_not_empty"],
    ["empty new values", { new_values: {} }, "check_new_values_not_empty"],
    ["an id of 201 characters", { resource_id: "r".repeat(201) }, "check_id_lengths"],
    ["a key of 201 characters", { event_id: "e".repeat(201) }, "check_id_lengths"],
    ["an infinite time", { occurred_at: "infinity" }, "check_occurred_at_finite"],
  ])("with %s in one event stores none", async (_, wrong, constraint) => {
    const batch = [
      event({ workspace_id: "ws-none" }),
      event({ workspace_id: "ws-none", ...wrong }),
      event({ workspace_id: "ws-none" }),
    ];
    expect((await failure(insertAll(batch))).constraint).toContain(constraint);
    expect(await count("ws-none")).toBe(0);
  });

  test.each([null, "x", 3, {}])("that is no array (%j) is refused", async (events) => {
    expect(await failure(insertAll(events))).toMatchObject({ code: "22023" });
  });

  test("of nothing stores nothing", async () => {
    expect(await insertAll([])).toEqual([]);
  });

  test("of 1,000 events is stored within the seconds that a statement may take", async () => {
    const batch = Array.from({ length: 1_000 }, (_, i) =>
      event({ workspace_id: "ws-many", event_id: `e-${i}` }),
    );
    await insertAll(batch);
    expect(await count("ws-many")).toBe(1_000);
  });

  test("takes no column that the caller may not choose", async () => {
    const [row] = await insertAll([
      event({
        id: "00000000-0000-7000-8000-000000000001",
        created_at: "2001-01-01",
        txid: "1",
        deleted_at: "2001-01-01",
      }),
    ]);
    const stored = await one(
      db.pool("app"),
      "select id, deleted_at, created_at > now() - interval '1 minute' as fresh, txid::text from audit.audit_events where id = $1",
      [row?.id],
    );
    expect(stored).toMatchObject({ deleted_at: null, fresh: true });
    expect(stored.id).not.toBe("00000000-0000-7000-8000-000000000001");
    expect(stored.txid).not.toBe("1");
  });
});

describe("changed_fields", () => {
  test.each([
    [{ a: 1, b: 2 }, { a: 1, b: 3 }, ["b"]],
    [{ a: 1 }, { b: 1 }, ["a", "b"]],
    [{ z: 1, a: 1 }, { z: 2, a: 2 }, ["a", "z"]],
    [{ a: { deep: 1 } }, { a: { deep: 2 } }, ["a"]],
    [{ a: null }, { b: 1 }, ["a", "b"]],
    [{ a: 1 }, { a: 1 }, null],
  ])("of %j and %j are %j", async (old_values, new_values, changed) => {
    const [row] = await insertAll([event({ old_values, new_values })]);
    const stored = await one(db.pool("app"), "select changed_fields from audit.audit_events where id = $1", [
      row?.id,
    ]);
    expect(stored.changed_fields).toEqual(changed);
  });

  test("given by the caller are kept", async () => {
    const [row] = await insertAll([
      event({ old_values: { a: 1 }, new_values: { a: 2 }, changed_fields: ["secret"] }),
    ]);
    const stored = await one(db.pool("app"), "select changed_fields from audit.audit_events where id = $1", [
      row?.id,
    ]);
    expect(stored.changed_fields).toEqual(["secret"]);
  });
});

describe("a natural key", () => {
  test("stores its event once; the retry gets the first id, another request id or a null more is no other event", async () => {
    const [first] = await insertAll([
      event({ event_id: "k-1", request_id: "req-1", occurred_at: "2026-01-01T00:00:00Z" }),
    ]);
    const [again] = await insertAll([
      event({
        event_id: "k-1",
        request_id: "req-2",
        occurred_at: "2026-01-01T01:00:00.000+01:00",
        metadata: null,
      }),
    ]);
    expect(again).toMatchObject({
      id: first?.id,
      created_at: first?.created_at,
      duplicate: true,
      conflict: false,
    });
  });

  test("used for another event is a conflict, and free in another workspace", async () => {
    await insertAll([event({ event_id: "k-2" })]);
    const results = await insertAll([
      event({ event_id: "k-2", action_type: "OTHER" }),
      event({ event_id: "k-2", workspace_id: "ws-2" }),
    ]);
    expect(results.map(({ duplicate, conflict }) => [duplicate, conflict])).toEqual([
      [true, true],
      [false, false],
    ]);
  });

  test("twice in one batch stores the first", async () => {
    const results = await insertAll([
      event({ event_id: "k-3" }),
      event({ event_id: "k-3" }),
      event({ event_id: "k-3", tags: ["x"] }),
    ]);
    expect(results.map(({ duplicate, conflict }) => [duplicate, conflict])).toEqual([
      [false, false],
      [true, false],
      [true, true],
    ]);
    expect(new Set(results.map((row) => row.id)).size).toBe(1);
  });

  test("raced by many connections, in batches of opposite order, stores each event once and fails nobody", async () => {
    const batch = Array.from({ length: 40 }, (_, i) =>
      event({ workspace_id: "ws-race", event_id: `r-${i}` }),
    );
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, i) => insertAll(i % 2 === 0 ? batch : batch.toReversed())),
    );
    expect(await count("ws-race")).toBe(40);
    expect(new Set(all.flat().map((row) => row.id)).size).toBe(40);
    expect(all.flat().filter((row) => !row.duplicate).length).toBe(40);
    expect(all.flat().filter((row) => row.conflict)).toEqual([]);
  });

  test("whose transaction fails is free again", async () => {
    await withClient(db, "app", async (client) => {
      await client.query("begin");
      await client.query("select * from insert_audit_events($1)", [
        JSON.stringify([event({ event_id: "k-4" })]),
      ]);
      await client.query("rollback");
    });
    const [row] = await insertAll([event({ event_id: "k-4" })]);
    expect(row).toMatchObject({ duplicate: false });
  });

  test("used twice through insert_audit_event() answers the same id, and refuses another event", async () => {
    const call = (action: string, zone: string) =>
      withClient(db, "app", async (client) => {
        await client.query(`set timezone = '${zone}'`);
        return one(
          client,
          `select insert_audit_event($1, 'thing', 't-1', 'ws-1', 'u-1', p_event_id => 'k-5', p_occurred_at => '2026-01-01 00:00:00+00') as id`,
          [action],
        );
      });
    expect(await call("A", "America/New_York")).toEqual(await call("A", "Asia/Tokyo"));
    expect(await failure(call("B", "UTC"))).toMatchObject({ code: "23505" });
  });
});

describe("insert_audit_event()", () => {
  test("takes the documented names in any order and leaves the rest out", async () => {
    const { id } = await one(
      db.pool("app"),
      `select insert_audit_event(p_workspace_id => 'ws-n', p_created_by_user_id => 'u-1', p_action_type => 'A', p_resource_type => 'b',
         p_resource_id => 'c', p_old_values => '{"a": 1}', p_new_values => '{"a": 2}', p_ip_address => '10.0.0.1',
         p_user_agent => 'agent', p_tags => array['x'], p_metadata => '{"m": 1}') as id`,
    );
    const row = await one(db.pool("app"), "select * from audit.audit_events where id = $1", [id]);
    expect(row).toMatchObject({
      ip_address: "10.0.0.1",
      tags: ["x"],
      metadata: { m: 1 },
      changed_fields: ["a"],
    });
  });

  const UUID = "018f0000-0000-7000-8000-000000000000";
  const [LITERAL, TEXT, TYPED] = [`'${UUID}'`, `'${UUID}'::text`, `'${UUID}'::uuid`];
  const IDS = [LITERAL, TEXT, TYPED];
  const mixes = IDS.flatMap((resource) =>
    IDS.flatMap((workspace) => IDS.map((user) => ({ resource, workspace, user }))),
  );

  test.each(mixes)("takes $resource, $workspace, $user, by position and by name", async (mix) => {
    const { resource, workspace, user } = mix;
    for (const call of [
      `insert_audit_event('A', 'b', ${resource}, ${workspace}, ${user})`,
      `insert_audit_event('A', 'b', ${resource}, ${workspace}, ${user}, null, '{"a": 1}', p_request_id => 'req',
         p_occurred_at => '2026-01-01 00:00:00+00', p_event_id => '${JSON.stringify(mix).replaceAll("'", "")}')`,
      `insert_audit_event(p_created_by_user_id => ${user}, p_workspace_id => ${workspace}, p_resource_id => ${resource},
         p_resource_type => 'b', p_action_type => 'A', p_new_values => '{"a": 1}', p_request_id => 'req',
         p_occurred_at => '2026-01-01 00:00:00+00')`,
    ]) {
      const { id } = await one(db.pool("app"), `select ${call} as id`);
      const stored = await one(
        db.pool("app"),
        "select resource_id, workspace_id, created_by_user_id, request_id, occurred_at from audit.audit_events where id = $1",
        [id],
      );
      expect(stored).toMatchObject({ resource_id: UUID, workspace_id: UUID, created_by_user_id: UUID });
      if (call.includes("p_request_id")) {
        expect(stored).toMatchObject({ request_id: "req", occurred_at: new Date("2026-01-01") });
      }
    }
  });

  test.each(["app", "worker", "admin"] as const)("takes the guide's call of it, as %s", async (role) => {
    const [row] = await db.rows(
      role,
      "SELECT insert_audit_event('TEST', 'workspace', gen_random_uuid(), 'ws-123', 'user-123') as id",
    );
    expect(row?.id).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("takes parameters that a driver sends without types", async () => {
    const { id } = await one(db.pool("app"), "select insert_audit_event($1, $2, $3, $4, $5) as id", [
      "A",
      "b",
      UUID,
      "ws-1",
      "u-1",
    ]);
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("makes ids of version 7 that grow with time", async () => {
    const { ordered } = await one(
      db.pool("app"),
      `with ids as (
         select audit.uuid_v7() as id, pg_sleep(0.002) from generate_series(1, 50)
       )
       select bool_and(substr(id::text, 15, 1) = '7' and substr(id::text, 20, 1) in ('8', '9', 'a', 'b')) as ordered from ids`,
    );
    expect(ordered).toBe(true);
    const ids: string[] = [];
    for (let i = 0; i < 20; i++) {
      const { id } = await one<{ id: string }>(
        db.pool("app"),
        "select audit.uuid_v7() as id, pg_sleep(0.002)",
      );
      ids.push(id);
    }
    expect(ids).toEqual(ids.toSorted());
  });
});

describe("insert_service_event()", () => {
  test("marks its event and cannot be unmarked by the caller", async () => {
    const { id } = await one(db.pool("app"), "select audit.insert_service_event($1) as id", [
      JSON.stringify(event({ metadata: { source: "me", key: 1 } })),
    ]);
    const row = await one(db.pool("app"), "select metadata from audit.audit_events where id = $1", [id]);
    expect(row.metadata).toEqual({ source: "afterimage", key: 1 });
  });
});
