import pg from "pg";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { randomFrom } from "../../../bench/support/statistics.ts";
import { newId } from "../../support/api.ts";
import { useDatabase } from "../../support/database.ts";
import { one, withClient } from "../helpers.ts";
import { archiveAll, plan, setPolicy, storeOldEvents, whereabouts } from "./support.ts";

const db = useDatabase();
const KILLS = 40;
const SEED = 5;
const DELAY_MS_MAX = 25;

/** What the archiver does next, in one call of one step. */
async function step(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ month: string; kind: string; merge: string | null }>(
    "select month::text, kind, merge from audit.archive_plan()",
  );
  for (const { month, kind, merge } of rows) {
    if (kind === "rows" || merge !== null) {
      const { rows: moved } = await client.query<{ n: number }>("select audit.archive_rows($1, $2, 7) as n", [
        month,
        merge ?? "due",
      ]);
      if (moved[0]?.n !== 0) continue;
    }
    if (kind === "month") await client.query("select audit.archive_month($1)", [month]);
  }
}

test(`an archiver that is killed at ${KILLS} moments loses nothing and stores nothing twice`, async () => {
  const [ws, stays] = [newId("ws"), newId("ws")];
  await setPolicy(db, stays, 3_000);
  const random = randomFrom(SEED);
  const written: string[] = [];
  const store = async (month: number) => {
    written.push(
      ...(await storeOldEvents(db, { workspace: ws, month, count: 5 + Math.floor(random() * 30) })),
    );
  };
  await storeOldEvents(db, { workspace: stays, month: -4 });
  let killed = 0;
  for (let n = 0; n < KILLS; n++) {
    // Months become due again and again: whole, in part, and with a part in the archive on either side of the balance.
    await store(-4 - Math.floor(random() * 3));
    await withClient(db, "worker", async (client) => {
      const { pid } = await one<{ pid: number }>(client, "select pg_backend_pid() as pid");
      const stepping = step(client).catch(() => void killed++);
      await sleep(random() * DELAY_MS_MAX);
      await db.rows("superuser", "select pg_terminate_backend($1)", [pid]);
      await stepping;
    });
    const { count, distinct } = await one<{ count: number; distinct: number }>(
      db.pool("superuser"),
      "select count(*)::int as count, count(distinct id)::int as distinct from audit.every_event where workspace_id = $1",
      [ws],
    );
    expect([n, count, distinct]).toEqual([n, written.length, written.length]);
  }
  expect(killed).toBeGreaterThan(0);
  while ((await plan(db)).length > 0) await archiveAll(db, 50);
  expect(await whereabouts(db, ws)).toEqual({ hot: [], archived: written.toSorted() });
  const open = await db.rows(
    "app",
    "select table_name from partition_guards where not (rows_guarded and statements_guarded and coalesce(chronology_checked, true))",
  );
  expect(open).toEqual([]);
}, 120_000);
