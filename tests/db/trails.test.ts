import type pg from "pg";
import { beforeEach, describe, expect, test } from "vitest";
import { useDatabase } from "../support/database.ts";
import { failure, one, withClient } from "./helpers.ts";

const db = useDatabase();
const LAST_HOUR = "date_bin('15 minutes', now(), '2000-01-01 00:00:00+00') - interval '1 hour'";

beforeEach(async () => {
  await db.rows("superuser", "truncate audit.projects cascade");
  await project("p-1");
});

const project = (id: string, days = 7) =>
  db.rows(
    "app",
    "insert into audit.projects (project_id, trail_retention_days, created_by_user_id) values ($1, $2, 'u-1')",
    [id, days],
  );

interface Trail {
  project?: string;
  at?: string;
  status?: string;
  model?: string;
  tokens?: number | null;
  cost?: string | null;
}

async function trail(id: string, over: Trail = {}): Promise<void> {
  const {
    project: owner = "p-1",
    at = LAST_HOUR,
    status = "complete",
    model = "m-1",
    tokens = 10,
    cost = "0.1",
  } = over;
  await db.rows(
    "app",
    `insert into audit.audit_trails (project_id, message_id, status, "timestamp", model, context_layers, total_tokens, total_cost, completed_at)
     values ($1, $2, $3, ${at}, $4, 3, $5, $6, case when $3 <> 'placeholder' then now() end)`,
    [owner, id, status, model, tokens, cost],
  );
}

const rollUp = async (limit = 5_000) =>
  (await one<{ n: number }>(db.pool("worker"), "select roll_up_trails($1) as n", [limit])).n;
const deleteDue = async (limit = 1_000) =>
  (await one<{ n: number }>(db.pool("worker"), "select delete_due_trails($1) as n", [limit])).n;
const totals = () =>
  one(
    db.pool("app"),
    `select coalesce(sum(message_count), 0)::int as messages, coalesce(sum(complete_count), 0)::int as complete,
       coalesce(sum(unpriced_count), 0)::int as unpriced, coalesce(sum(total_tokens), 0)::int as tokens,
       coalesce(sum(total_cost), 0)::text as cost
     from audit.audit_trail_rollup`,
  );
const left = async () =>
  (await db.rows<{ id: string }>("app", "select message_id as id from audit.audit_trails order by 1")).map(
    (row) => row.id,
  );

describe("roll_up_trails()", () => {
  test("counts each trail once, however often it runs", async () => {
    await trail("a");
    await trail("b", { cost: null, tokens: 5 });
    expect(await rollUp()).toBe(2);
    expect(await rollUp()).toBe(0);
    expect(await totals()).toEqual({ messages: 2, complete: 2, unpriced: 1, tokens: 15, cost: "0.1" });
  });

  test("adds only the difference when a trail is completed late, without its writer marking anything", async () => {
    await trail("late", { status: "placeholder", tokens: null, cost: null });
    await rollUp();
    expect(await totals()).toMatchObject({ messages: 1, complete: 0, tokens: 0 });
    await db.rows(
      "app",
      "update audit.audit_trails set status = 'complete', total_tokens = 7, total_cost = 0.25, completed_at = now() where message_id = 'late'",
    );
    expect(await rollUp()).toBe(1);
    expect(await totals()).toEqual({ messages: 1, complete: 1, unpriced: 0, tokens: 7, cost: "0.25" });
  });

  test("does not count again what changed nothing that it counts", async () => {
    await trail("same");
    await rollUp();
    await db.rows(
      "app",
      `update audit.audit_trails set reasoning = '["x"]', latency_ms = 5 where message_id = 'same'`,
    );
    expect(await rollUp()).toBe(0);
  });

  test("moves a trail whose model or time changed to its new bucket", async () => {
    await trail("moved");
    await rollUp();
    await db.rows(
      "app",
      `update audit.audit_trails set model = 'm-2', "timestamp" = "timestamp" - interval '1 hour'`,
    );
    await rollUp();
    const buckets = await db.rows(
      "app",
      "select model, message_count::int as messages, total_tokens::int as tokens, total_cost::text as cost from audit.audit_trail_rollup order by model",
    );
    expect(buckets).toEqual([
      { model: "m-1", messages: 0, tokens: 0, cost: "0.0" },
      { model: "m-2", messages: 1, tokens: 10, cost: "0.1" },
    ]);
  });

  test("leaves the open quarter of an hour alone, and closes it at its end", async () => {
    // That of in a minute, so that it does not end amid the test.
    const open = "date_bin('15 minutes', clock_timestamp() + interval '1 minute', '2000-01-01 00:00:00+00')";
    await trail("now", { at: open });
    await trail("edge", {
      at: `date_bin('15 minutes', clock_timestamp(), '2000-01-01 00:00:00+00') - interval '1 microsecond'`,
    });
    expect(await rollUp()).toBe(1);
    expect(await left()).toEqual(["edge", "now"]);
    const { due } = await one(
      db.pool("app"),
      "select rollup_due as due from audit.audit_trails where message_id = 'now'",
    );
    expect(due).toBe(true);
  });

  test("puts a trail into the quarter of an hour of UTC, whatever the session's time zone", async () => {
    await trail("kathmandu", { at: "'2026-03-29 01:07:00+00'" });
    await withClient(db, "worker", async (client) => {
      await client.query("set timezone = 'Asia/Kathmandu'");
      await client.query("select roll_up_trails()");
    });
    const row = await one(db.pool("app"), "select bucket_start from audit.audit_trail_rollup");
    expect(row.bucket_start).toEqual(new Date("2026-03-29T01:00:00Z"));
  });

  test("is exact to the last digit of many small sums", async () => {
    await db.rows(
      "app",
      `insert into audit.audit_trails (project_id, message_id, status, "timestamp", model, context_layers, total_cost, completed_at)
       select 'p-1', 'm-' || i, 'complete', ${LAST_HOUR}, 'm-1', 0, 0.000000000000000000001, now() from generate_series(1, 3000) i`,
    );
    expect(await rollUp(1_000)).toBe(1_000);
    expect(await rollUp()).toBe(2_000);
    expect((await totals()).cost).toBe("0.000000000000000003000");
  });

  test("run by many callers at once counts nothing twice and leaves nothing out", async () => {
    await db.rows(
      "app",
      `insert into audit.audit_trails (project_id, message_id, status, "timestamp", model, context_layers, total_tokens, completed_at)
       select 'p-1', 'm-' || i, 'complete', ${LAST_HOUR} - make_interval(mins => i % 100), 'm-' || i % 3, 0, 1, now()
       from generate_series(1, 2000) i`,
    );
    const counted = await Promise.all(
      Array.from({ length: 6 }, async () => {
        let sum = 0;
        for (let i = 0; i < 20; i++) sum += await rollUp(150);
        return sum;
      }),
    );
    expect(counted.reduce((a, b) => a + b, 0)).toBe(2_000);
    expect(await totals()).toMatchObject({ messages: 2_000, tokens: 2_000 });
  });

  test("loses no change made while it runs", async () => {
    await db.rows(
      "app",
      `insert into audit.audit_trails (project_id, message_id, status, "timestamp", model, context_layers, total_tokens, completed_at)
       select 'p-1', 'm-' || i, 'complete', ${LAST_HOUR}, 'm-1', 0, 1, now() from generate_series(1, 300) i`,
    );
    const change = async () => {
      for (let i = 1; i <= 300; i += 3) {
        await db.rows(
          "app",
          "update audit.audit_trails set total_tokens = total_tokens + 1 where message_id = $1",
          [`m-${i}`],
        );
      }
    };
    const roll = async () => {
      for (let i = 0; i < 40; i++) await rollUp(20);
    };
    await Promise.all([change(), roll(), roll()]);
    await rollUp();
    expect(await totals()).toMatchObject({ messages: 300, tokens: 400 });
  });

  test.each([
    ["a cost that is not a number", "total_cost", "'NaN'", "check_trail_costs"],
    ["an infinite cost", "prompt_cost", "'Infinity'", "check_trail_costs"],
    ["a negative cost", "completion_cost", "-0.01", "check_trail_costs"],
    ["negative tokens", "total_tokens", "-1", "check_trail_tokens"],
    ["an infinite time", '"timestamp"', "'infinity'", "check_trail_timestamp"],
    ["a time before there were messages", '"timestamp"', "'1970-01-01'", "check_trail_timestamp"],
  ])("is never stopped by %s: no such trail can be stored", async (_, column, value, constraint) => {
    await trail("poison");
    expect(await failure(db.rows("app", `update audit.audit_trails set ${column} = ${value}`))).toMatchObject(
      { constraint },
    );
  });
});

describe("delete_due_trails()", () => {
  test("never deletes a trail that is not rolled up", async () => {
    await trail("old", { at: "now() - interval '30 days'" });
    expect(await deleteDue()).toBe(0);
    await rollUp();
    await db.rows("app", "update audit.audit_trails set total_tokens = 11 where message_id = 'old'");
    expect(await deleteDue()).toBe(0);
    await rollUp();
    expect(await deleteDue()).toBe(1);
    expect(await totals()).toMatchObject({ messages: 1, tokens: 11 });
  });

  test("goes by each project's own days", async () => {
    await project("p-long", 60);
    await project("p-short", 1);
    for (const owner of ["p-1", "p-long", "p-short"]) {
      for (const days of [2, 10, 90]) {
        await trail(`${owner}-${days}`, { project: owner, at: `now() - interval '${days} days'` });
      }
    }
    await rollUp();
    expect(await deleteDue()).toBe(6);
    expect(await left()).toEqual(["p-1-2", "p-long-10", "p-long-2"]);
  });

  test("deletes a bounded number, oldest first, also with many callers", async () => {
    for (let day = 10; day < 20; day++) await trail(`d-${day}`, { at: `now() - interval '${day} days'` });
    await rollUp();
    expect(await deleteDue(4)).toBe(4);
    expect(await left()).toEqual(["d-10", "d-11", "d-12", "d-13", "d-14", "d-15"]);
    const counts = await Promise.all([deleteDue(3), deleteDue(3), deleteDue(3)]);
    const more = await deleteDue();
    expect(counts.reduce((a, b) => a + b, more)).toBe(6);
    expect(counts.every((n) => n <= 3)).toBe(true);
  });

  test("passes over a trail that is being changed", async () => {
    await trail("busy", { at: "now() - interval '30 days'" });
    await trail("idle", { at: "now() - interval '30 days'" });
    await rollUp();
    await withClient(db, "app", async (client: pg.Client) => {
      await client.query("begin");
      await client.query("update audit.audit_trails set total_tokens = 99 where message_id = 'busy'");
      expect(await deleteDue()).toBe(1);
      await client.query("commit");
    });
    expect(await left()).toEqual(["busy"]);
    await rollUp();
    expect(await deleteDue()).toBe(1);
    expect(await totals()).toMatchObject({ messages: 2, tokens: 109 });
  });

  test("is the worker's: the API may not delete a trail", async () => {
    expect(await failure(db.rows("app", "delete from audit.audit_trails"))).toMatchObject({ code: "42501" });
    expect(await failure(db.rows("app", "select delete_due_trails(1)"))).toMatchObject({ code: "42501" });
  });
});

describe("a deleted project", () => {
  test("is swept in bounded batches, then goes with its totals; others stay", async () => {
    await project("p-gone");
    await trail("stays");
    for (let i = 0; i < 5; i++) await trail(`g-${i}`, { project: "p-gone" });
    await rollUp();
    await db.rows("app", "update audit.projects set deleted_at = now() where project_id = 'p-gone'");
    const sweep = async () =>
      (await one<{ n: number }>(db.pool("worker"), "select delete_trails_of_deleted_projects(2) as n")).n;
    expect([await sweep(), await sweep(), await sweep(), await sweep()]).toEqual([2, 2, 1, 0]);
    expect(await db.rows("app", "select project_id from audit.projects")).toEqual([{ project_id: "p-1" }]);
    expect(await left()).toEqual(["stays"]);
    expect(await totals()).toMatchObject({ messages: 1 });
  });

  test("stays while one of its trails is being written", async () => {
    await trail("open");
    await db.rows("app", "update audit.projects set deleted_at = now()");
    await withClient(db, "app", async (client) => {
      await client.query("begin");
      await client.query("update audit.audit_trails set latency_ms = 1");
      await db.rows("worker", "select delete_trails_of_deleted_projects(10)");
      await client.query("commit");
    });
    expect(await left()).toEqual(["open"]);
  });
});

test("a message id belongs to one trail of a project, and to another in another project", async () => {
  await project("p-2");
  await trail("m");
  await trail("m", { project: "p-2" });
  expect(await failure(trail("m"))).toMatchObject({ code: "23505", constraint: "audit_trails_pkey" });
});
