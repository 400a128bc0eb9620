import type pg from "pg";
import { describe, expect, test } from "vitest";
import { newId } from "../../support/api.ts";
import { useDatabase } from "../../support/database.ts";
import { failure, month, one, withClient } from "../helpers.ts";
import {
  archiveAll,
  archiveMonth,
  archiveRows,
  firstOf,
  plan,
  setPolicy,
  storeOldEvents,
  vacuum,
  whereabouts,
} from "./support.ts";

const db = useDatabase();

const moves = (workspaceOrMonth: string) =>
  db.rows(
    "worker",
    "select details ->> 'move' as move, details ->> 'to' as \"to\", (details ->> 'rowCount')::int as rows from audit_deletion_log where subject_id = $1 order by deleted_at, id",
    [workspaceOrMonth],
  );

describe("a month whose every event is due", () => {
  test("moves whole: each event is there once, as it was, and the month is gone from hot storage", async () => {
    const ws = newId("ws");
    await storeOldEvents(db, { workspace: ws, month: -8, count: 300 });
    const rows = () =>
      db.rows(
        "app",
        "select to_jsonb(e) - 'archived_at' as event from every_event e where workspace_id = $1 order by id",
        [ws],
      );
    const before = await rows();
    expect(await plan(db)).toEqual([{ month: firstOf(-8), kind: "month", merge: null }]);
    expect(await archiveMonth(db, -8)).toBe("moved");
    const { hot, archived } = await whereabouts(db, ws);
    expect([hot.length, archived.length]).toEqual([0, 300]);
    expect(await rows()).toEqual(before);
    expect(
      await db.rows("admin", "select to_regclass($1) as hot", [`audit.audit_events_${month(-8)}`]),
    ).toEqual([{ hot: null }]);
    expect(await moves(firstOf(-8).slice(0, 7))).toEqual([
      { move: "month", to: "audit_events_archive", rows: 300 },
    ]);
    expect(await plan(db)).toEqual([]);
    expect(await archiveMonth(db, -8)).toBe("gone");
  });

  test("is attached without being read: its check proves the bounds, its indexes are adopted, its settings kept", async () => {
    await storeOldEvents(db, { workspace: newId("ws"), month: -9, count: 50 });
    const notices: string[] = [];
    await withClient(db, "worker", async (client) => {
      client.on("notice", ({ message }) => void notices.push(String(message)));
      await client.query("set client_min_messages = debug1");
      await client.query("select archive_month($1)", [firstOf(-9)]);
    });
    const name = `audit_events_archive_${month(-9)}`;
    expect(notices.join("\n")).toContain(
      `partition constraint for table "${name}" is implied by existing constraints`,
    );
    expect(notices.join("\n")).not.toMatch(/verifying table|rewriting table|building index/);
    const [table] = await db.rows(
      "admin",
      `select array_to_string(c.reloptions, ' ') as options, obj_description(c.oid) as comment,
         (select array_agg(i.indexrelid::regclass::text order by 1) from pg_index i where i.indrelid = c.oid) as indexes,
         (select count(*)::int from pg_index i join pg_inherits h on h.inhrelid = i.indexrelid where i.indrelid = c.oid) as adopted
       from pg_class c where c.oid = $1::regclass`,
      [`audit.${name}`],
    );
    expect(table).toMatchObject({
      options: expect.stringContaining("autovacuum_vacuum_scale_factor=0.01"),
      comment: `audit_events_archive of ${firstOf(-9).slice(0, 7)} (UTC).`,
      adopted: 5,
    });
    expect((table?.indexes as string[] | undefined)?.filter((index) => !index.includes(name))).toEqual([]);
  });

  test("stays guarded, like all of the archive", async () => {
    const name = `audit_events_archive_${month(-9)}`;
    const open = await db.rows(
      "app",
      "select table_name from partition_guards where not (rows_guarded and statements_guarded)",
    );
    expect(open).toEqual([]);
    for (const table of ["audit_events_archive", name]) {
      for (const statement of [
        `update ${table} set action_type = 'FORGED'`,
        `delete from ${table} where false`,
        `truncate ${table}`,
      ]) {
        expect(await failure(db.asOwner(statement)), statement).toMatchObject({
          code: "42501",
          message: "Audit events are immutable",
        });
        for (const role of ["app", "worker", "admin"] as const)
          expect(
            await failure(db.rows(role, statement.replace(table, `audit.${table}`))),
            `${role}: ${statement}`,
          ).toMatchObject({ code: "42501" });
      }
    }
    expect(
      await failure(
        db.rows(
          "app",
          "insert into audit_events_archive (workspace_id, created_by_user_id, action_type, resource_type, resource_id) values ('w', 'u', 'a', 'b', 'c')",
        ),
      ),
    ).toMatchObject({ code: "42501" });
  });

  test("does not move while one workspace's event is to stay, and only what is due alone does", async () => {
    const [short, long] = [newId("ws"), newId("ws")];
    await setPolicy(db, long, 1_000);
    await storeOldEvents(db, { workspace: short, month: -10, count: 7 });
    await storeOldEvents(db, { workspace: long, month: -10, count: 5 });
    expect(await plan(db)).toEqual([{ month: firstOf(-10), kind: "rows", merge: null }]);
    expect(await archiveMonth(db, -10)).toBe("not_due");
    expect(await archiveRows(db, -10, "to_archive")).toBe(0);
    expect(await archiveRows(db, -10, "due", 4)).toBe(4);
    expect(await archiveRows(db, -10, "due", 4)).toBe(3);
    expect(await archiveRows(db, -10, "due", 4)).toBe(0);
    expect((await whereabouts(db, short)).archived).toHaveLength(7);
    expect((await whereabouts(db, long)).hot).toHaveLength(5);
    expect((await moves(firstOf(-10).slice(0, 7))).map((one) => one.rows)).toEqual([4, 3]);
    await setPolicy(db, long, 90);
    expect(await plan(db)).toEqual([{ month: firstOf(-10), kind: "month", merge: "to_archive" }]);
    await archiveAll(db);
    expect((await whereabouts(db, long)).archived).toHaveLength(5);
    expect(
      await db.rows("admin", "select to_regclass($1) as hot", [`audit.audit_events_${month(-10)}`]),
    ).toEqual([{ hot: null }]);
  });

  test.each([
    ["a larger archive takes the hot rest", -11, 3, 9, "to_archive"],
    ["a larger hot month takes what is archived, and moves whole", -12, 9, 3, "to_hot"],
  ])("of which the archive has a part: %s", async (_, offset, hotCount, archivedCount, merge) => {
    const ws = newId("ws");
    const first = await storeOldEvents(db, { workspace: ws, month: offset, count: archivedCount });
    expect(await archiveRows(db, offset, "to_archive")).toBe(archivedCount);
    const second = await storeOldEvents(db, { workspace: ws, month: offset, count: hotCount });
    expect(await archiveMonth(db, offset)).toBe("not_merged");
    expect(await plan(db)).toEqual([{ month: firstOf(offset), kind: "month", merge }]);
    await archiveAll(db, 2);
    const { hot, archived } = await whereabouts(db, ws);
    expect([hot, archived]).toEqual([[], [...first, ...second].toSorted()]);
    expect(await plan(db)).toEqual([]);
  });
});

describe("what is due alone", () => {
  test("waits for its month where it is much and the month moves within 31 days, and goes by rows where it is little", async () => {
    // With 40 days the month before last is partly due, and old enough to move whole in time.
    const ws = newId("ws");
    const day = new Date();
    await setPolicy(
      db,
      ws,
      Math.ceil((day.getTime() - Date.parse(`${firstOf(-2)}T00:00:00Z`)) / 86_400_000) - 10,
    );
    await storeOldEvents(db, { workspace: ws, month: -2, count: 20 });
    await withClient(db, "superuser", (client) =>
      client.query(
        `set role audit_keeper; insert into audit.audit_events (created_at, workspace_id, created_by_user_id, action_type, resource_type, resource_id)
         values ('${firstOf(-2)} 00:00:00+00'::timestamptz + interval '25 days', '${ws}', 'u', 'TEST', 't', 'r')`,
      ),
    );
    expect(await plan(db, 19)).toEqual([]);
    expect(await plan(db, 20)).toEqual([{ month: firstOf(-2), kind: "rows", merge: null }]);
    await archiveAll(db);
    const { hot, archived } = await whereabouts(db, ws);
    expect([hot.length, archived.length]).toEqual([1, 20]);
  });

  test("goes by rows out of last month and this one, whose tables stay", async () => {
    const ws = newId("ws");
    await setPolicy(db, ws, 1);
    const [old] = await storeOldEvents(db, { workspace: ws, daysAgo: 2 });
    await db.rows("app", "select insert_audit_event('TEST', 't', 'r', $1, 'u')", [ws]);
    await archiveAll(db);
    const { hot, archived } = await whereabouts(db, ws);
    expect([hot.length, archived]).toEqual([1, [old]]);
    expect(await archiveMonth(db, -1)).toBe("not_due");
  });
});

test("an old snapshot sees what moved by rows: the month that they left is dropped only after VACUUM", async () => {
  const ws = newId("ws");
  const counted = async (client: pg.Client) =>
    (
      await one<{ n: number }>(client, "select count(*)::int as n from every_event where workspace_id = $1", [
        ws,
      ])
    ).n;
  await storeOldEvents(db, { workspace: ws, month: -20, count: 6 });
  await withClient(db, "app", async (reader) => {
    // Its snapshot is of now, though it has not touched an event yet.
    await reader.query("begin isolation level repeatable read; select count(*) from projects");
    await archiveRows(db, -20, "to_archive");
    expect(await archiveMonth(db, -20)).toBe("emptied");
    await vacuum(db);
    expect(await archiveMonth(db, -20)).toBe("emptied");
    expect(await counted(reader)).toBe(6);
    await reader.query("commit");
    expect(await counted(reader)).toBe(6);
  });
  await vacuum(db);
  expect(await archiveMonth(db, -20)).toBe("dropped");
  expect((await whereabouts(db, ws)).archived).toHaveLength(6);
});

test("an emptied old month is dropped, and one that somebody writes to meanwhile is not", async () => {
  const ws = newId("ws");
  await storeOldEvents(db, { workspace: ws, month: -13, count: 2 });
  await archiveRows(db, -13, "to_archive");
  await withClient(db, "superuser", async (writer) => {
    await writer.query("begin; set local role audit_keeper");
    await writer.query(
      `insert into audit.audit_events (created_at, workspace_id, created_by_user_id, action_type, resource_type, resource_id)
       values ('${firstOf(-13)} 12:00:00+00', $1, 'u', 'LATE', 't', 'r')`,
      [ws],
    );
    const moving = archiveMonth(db, -13);
    await writer.query("select pg_sleep(0.3)");
    await writer.query("commit");
    expect(await moving).toBe("not_merged");
  });
  await archiveAll(db);
  expect((await whereabouts(db, ws)).archived).toHaveLength(3);
});

test("a late month moves whole although its table in the archive is gone, as after it went into cold files", async () => {
  const ws = newId("ws");
  await storeOldEvents(db, { workspace: ws, month: -18, count: 3 });
  const name = `audit_events_archive_${month(-18)}`;
  await db.asOwner(`alter table audit_events_archive detach partition ${name}; drop table ${name}`);
  expect(await archiveMonth(db, -18)).toBe("moved");
  expect((await whereabouts(db, ws)).archived).toHaveLength(3);
});

test("months move in READ COMMITTED alone: an old snapshot would take a written month for an empty one", async () => {
  await storeOldEvents(db, { workspace: newId("ws"), month: -14 });
  await withClient(db, "worker", async (client) => {
    await client.query("begin isolation level repeatable read");
    expect(await failure(client.query("select archive_month($1)", [firstOf(-14)]))).toMatchObject({
      code: "25000",
    });
  });
  expect(await archiveMonth(db, -14)).toBe("moved");
});

describe("archive_old_audit_events()", () => {
  test("archives months and rows, as the admin, and says how many", async () => {
    const [whole, part] = [newId("ws"), newId("ws")];
    await storeOldEvents(db, { workspace: whole, month: -15, count: 6 });
    await storeOldEvents(db, { workspace: whole, month: -16, count: 5 });
    await setPolicy(db, part, 3_000);
    await storeOldEvents(db, { workspace: part, month: -17, count: 2 });
    await storeOldEvents(db, { workspace: whole, month: -17, count: 4 });
    expect(await db.rows("admin", "SELECT * FROM archive_old_audit_events()")).toEqual([
      { archived_count: "15", deleted_count: "15" },
    ]);
    expect((await whereabouts(db, whole)).hot).toEqual([]);
    expect((await whereabouts(db, part)).archived).toEqual([]);
    expect(await db.rows("admin", "SELECT * FROM archive_old_audit_events()")).toEqual([
      { archived_count: "0", deleted_count: "0" },
    ]);
  });

  test("moves no more rows alone than it may in a call", async () => {
    const [due, stays] = [newId("ws"), newId("ws")];
    await setPolicy(db, stays, 3_000);
    await storeOldEvents(db, { workspace: stays, month: -18 });
    await storeOldEvents(db, { workspace: due, month: -18, count: 10 });
    const call = async () =>
      (
        await one<{ n: string }>(
          db.pool("worker"),
          "select archived_count as n from archive_old_audit_events(6)",
        )
      ).n;
    expect([await call(), await call(), await call()]).toEqual(["6", "4", "0"]);
  });
});

test("a move that finds the tables busy gives up within a second, changes nothing, and passes the next time", async () => {
  const ws = newId("ws");
  await storeOldEvents(db, { workspace: ws, month: -19, count: 3 });
  await withClient(db, "app", async (reader) => {
    for (const table of ["audit_events", "audit_events_archive"]) {
      await reader.query(`begin; select count(*) from ${table}`);
      expect(await failure(archiveMonth(db, -19))).toMatchObject({ code: "55P03" });
      expect((await whereabouts(db, ws)).hot).toHaveLength(3);
      await reader.query("rollback");
    }
  });
  expect(await archiveMonth(db, -19)).toBe("moved");
});

test("the archive has the columns of audit_events in their order, and archived_at", async () => {
  const columns = async (table: string) =>
    (
      await one<{ names: string[] }>(
        db.pool("admin"),
        `select array_agg(attname::text || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull order by attnum) as names
       from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped`,
        [`audit.${table}`],
      )
    ).names;
  expect(await columns("audit_events_archive")).toEqual([
    ...(await columns("audit_events")),
    "archived_at timestamp with time zone true",
  ]);
});
