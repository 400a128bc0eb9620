import { beforeAll, expect, test } from "vitest";
import { createApp } from "../../api/_http/create-app.ts";
import { caller, mintKey, newId } from "../support/api.ts";
import { useDatabase } from "../support/database.ts";
import { jobRunner, useWorkflows, type Run } from "../support/workflows.ts";
import { firstOf, setPolicy, storeOldEvents, whereabouts } from "../db/archive/support.ts";
import { withClient } from "../db/helpers.ts";

const db = useDatabase();
const flows = useWorkflows(db);
let runJob: (jobId: string) => Promise<Run>;

beforeAll(async () => {
  ({ runJob } = jobRunner(caller(createApp(flows.runtime), await mintKey(db))));
});

const stepsOf = async () => {
  const rows = await db.rows<{ name: string }>(
    "admin",
    `select s.name from inngest.steps s join inngest.runs r on r.id = s.run_id
     where r.function_id = 'afterimage-archive-events' and r.id = (select max(id) from inngest.runs where function_id = 'afterimage-archive-events')`,
  );
  return rows.map(({ name }) => name).toSorted();
};
const openAlerts = () =>
  db.rows("worker", "select message from alerts where code = 'archive.busy' and resolved_at is null");

test("moves whole months, then what is due alone, and says what it did", async () => {
  const [whole, part, stays] = [newId("ws"), newId("ws"), newId("ws")];
  await setPolicy(db, stays, 3_000);
  const archived = [
    ...(await storeOldEvents(db, { workspace: whole, month: -6, count: 4 })),
    ...(await storeOldEvents(db, { workspace: whole, month: -7, count: 3 })),
  ].toSorted();
  await storeOldEvents(db, { workspace: part, month: -8, count: 5 });
  await storeOldEvents(db, { workspace: stays, month: -8, count: 2 });
  expect(await runJob("archive-events")).toMatchObject({
    status: "completed",
    result: { monthsMoved: [firstOf(-7), firstOf(-6)], eventsMoved: 5, monthsBusy: [], remains: false },
  });
  expect(await stepsOf()).toEqual(
    expect.arrayContaining(["begin", "plan", "move-batch-1", "move-month-1", "move-month-2", "log"]),
  );
  expect(await whereabouts(db, whole)).toEqual({ hot: [], archived });
  expect((await whereabouts(db, part)).archived).toHaveLength(5);
  expect((await whereabouts(db, stays)).hot).toHaveLength(2);
  expect(await runJob("archive-events")).toMatchObject({
    result: { monthsMoved: [], eventsMoved: 0, remains: false },
  });
});

test("leaves statistics behind on both sides of a move, whole or by rows", async () => {
  const known = await db.rows(
    "admin",
    `select m.table_name as table, c.reltuples::int as rows
     from audit.month_partitions() m join pg_class c on c.oid = format('audit.%I', m.partition_name)::regclass
     where m.month_start in ($1, $2) order by m.month_start, 1`,
    [`${firstOf(-8)}T00:00:00Z`, `${firstOf(-6)}T00:00:00Z`],
  );
  expect(known).toEqual([
    { table: "audit_events", rows: 2 },
    { table: "audit_events_archive", rows: 5 },
    { table: "audit_events_archive", rows: 4 },
  ]);
});

test("tries a busy month again, and passes when the tables are free", async () => {
  const ws = newId("ws");
  await storeOldEvents(db, { workspace: ws, month: -9 });
  const run = await withClient(db, "app", async (reader) => {
    await reader.query("begin; select count(*) from every_event");
    const running = runJob("archive-events");
    const asleep = () => db.rows("admin", "select from inngest.waits where kind = 'sleep'");
    await expect.poll(async () => (await asleep()).length, { timeout: 15_000 }).toBe(1);
    await reader.query("rollback");
    await db.rows("superuser", "update inngest.waits set due_at = now() where kind = 'sleep'");
    return running;
  });
  expect(run).toMatchObject({ status: "completed", result: { monthsMoved: [firstOf(-9)], monthsBusy: [] } });
  expect((await whereabouts(db, ws)).archived).toHaveLength(1);
  expect(await openAlerts()).toEqual([]);
}, 60_000);
