import pg from "pg";
import { expect, test } from "vitest";
import { newId } from "../../support/api.ts";
import { useDatabase } from "../../support/database.ts";
import { failure, month, one, withClient } from "../helpers.ts";
import { archiveAll, firstOf, setPolicy, storeOldEvents, vacuum } from "./support.ts";

const db = useDatabase();
const READERS = 3;
const EVENTS = 400;

interface Seen {
  count: number;
  distinct: number;
}

/**
 * Repeats `work` on a connection of its own until `stopped`; returns how often, and throws what it throws, also where it waits
 * a second for a table.
 */
function repeatedly(work: (client: pg.Client) => Promise<void>) {
  let isStopped = false;
  let rounds = 0;
  const done = withClient(db, "app", async (client) => {
    await client.query("set lock_timeout = '1s'");
    while (!isStopped) {
      await work(client);
      rounds++;
    }
  });
  return { stop: () => ((isStopped = true), done.then(() => rounds)) };
}

test("readers see each event once in every statement, and writers pass, while months move whole and by rows", async () => {
  const [whole, part, stays, busy] = [newId("ws"), newId("ws"), newId("ws"), newId("ws")];
  await setPolicy(db, stays, 3_000);
  await storeOldEvents(db, { workspace: whole, month: -5, count: EVENTS });
  await storeOldEvents(db, { workspace: whole, month: -6, count: EVENTS });
  await storeOldEvents(db, { workspace: part, month: -7, count: EVENTS });
  await storeOldEvents(db, { workspace: stays, month: -7, count: 1 });
  const wrong: Seen[] = [];
  const look =
    (text: string, values: unknown[], expected: number, name?: string) => async (client: pg.Client) => {
      const { rows } = await client.query<Seen>({ text, values, ...(name === undefined ? {} : { name }) });
      const [seen] = rows;
      if (seen?.count !== expected || seen.distinct !== expected) wrong.push(seen as Seen);
    };
  const COUNT =
    "select count(*)::int as count, count(distinct id)::int as distinct from every_event where workspace_id = any ($1) and action_type = 'TEST'";
  const workspaces = [whole, part, stays];
  const readers = [
    ...Array.from({ length: READERS }, () => repeatedly(look(COUNT, [workspaces], 3 * EVENTS + 1))),
    // Planned once: a cached plan has to notice that the month is elsewhere now.
    repeatedly(look(COUNT, [workspaces], 3 * EVENTS + 1, "kept")),
    repeatedly(
      look(
        "select count(*)::int as count, count(distinct id)::int as distinct from get_audit_trail($1, p_days_back => 400, p_limit => 5000)",
        [whole],
        2 * EVENTS,
      ),
    ),
  ];
  // A snapshot of before goes on seeing all, wherever it lies by now.
  const snapshot = repeatedly(async (client) => {
    await client.query("begin isolation level repeatable read");
    for (let i = 0; i < 3; i++) await look(COUNT, [workspaces], 3 * EVENTS + 1)(client);
    await client.query("commit");
  });
  let written = 0;
  const writer = repeatedly(async (client) => {
    await client.query("select insert_audit_event('TEST', 't', 'r', $1, 'u')", [busy]);
    written++;
  });
  // The tables are busy at some tries; the next one passes.
  while ((await db.rows("worker", "select from archive_plan() limit 1")).length > 0)
    await archiveAll(db, 50).catch((error: unknown) => expect(error).toMatchObject({ code: "55P03" }));
  const rounds = await Promise.all([...readers, snapshot, writer].map((one) => one.stop()));
  expect(wrong).toEqual([]);
  expect(Math.min(...rounds)).toBeGreaterThan(0);
  expect(await db.rows("worker", "select from archive_plan()")).toEqual([]);
  const { n } = await one<{ n: number }>(
    db.pool("app"),
    "select count(*)::int as n from every_event where workspace_id = $1",
    [busy],
  );
  expect(n).toBe(written);
}, 60_000);

test("a move that must wait for a long reader gives up before those behind it wait a second", async () => {
  await storeOldEvents(db, { workspace: newId("ws"), month: -8, count: 5 });
  await withClient(db, "app", async (long) => {
    await long.query("begin; select count(*) from every_event");
    const moving = failure(db.rows("worker", "select archive_month($1)", [firstOf(-8)]));
    // Whoever queues behind the move is let through when it gives up, well within its own patience.
    const behind = withClient(db, "app", async (client) => {
      await client.query("set statement_timeout = '1s'");
      for (let i = 0; i < 20; i++) await client.query("select count(*) from every_event");
    });
    const writing = withClient(db, "app", async (client) => {
      await client.query("set statement_timeout = '1s'");
      for (let i = 0; i < 20; i++)
        await client.query("select insert_audit_event('TEST', 't', 'r', 'ws-behind', 'u')");
    });
    await Promise.all([behind, writing]);
    expect(await moving).toMatchObject({ code: "55P03" });
    await long.query("rollback");
  });
});

test("two archivers at once move everything once", async () => {
  const ws = newId("ws");
  for (const month of [-9, -10, -11]) await storeOldEvents(db, { workspace: ws, month, count: 30 });
  const calls = Array.from({ length: 4 }, () =>
    db.rows<{ n: string }>("admin", "select archived_count as n from archive_old_audit_events()"),
  );
  const counts = (await Promise.all(calls)).map(([row]) => Number(row?.n));
  // And the month that stood in the test before.
  expect(counts.toSorted((a, b) => b - a)).toEqual([90 + 5, 0, 0, 0]);
});

test("a month that is made for its rows waits for readers that planned without it, or gives up", async () => {
  const ws = newId("ws");
  const [id] = await storeOldEvents(db, { workspace: ws, month: -12, count: 1 });
  const rows = () => db.rows("worker", "select archive_rows($1, 'to_archive', 10)", [firstOf(-12)]);
  const back = () => db.rows("admin", "select unarchive_audit_event($1)", [id]);
  const name = (table: string) => `${table}_${month(-12)}`;
  await db.asOwner(
    `alter table audit_events_archive detach partition ${name("audit_events_archive")}; drop table ${name("audit_events_archive")}`,
  );
  const whileRead = (work: () => Promise<unknown>) =>
    withClient(db, "app", async (reader) => {
      await reader.query("begin; select count(*) from every_event");
      return failure(work());
    });
  expect(await whileRead(rows)).toMatchObject({ code: "55P03" });
  await rows();
  await vacuum(db);
  await db.rows("worker", "select archive_month($1)", [firstOf(-12)]);
  expect(await whileRead(back)).toMatchObject({ code: "55P03" });
  await back();
  expect(
    await db.rows(
      "app",
      "select archived_at from every_event where workspace_id = $1 and action_type = 'TEST'",
      [ws],
    ),
  ).toEqual([{ archived_at: null }]);
});
