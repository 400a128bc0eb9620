import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, beforeEach, expect, test } from "vitest";
import { defineConfig } from "../../../lib/config.ts";
import { useRestores } from "../../support/restores.ts";
import { startReceiver } from "./effects/receiver.ts";
import { contents, useRedis } from "./effects/support.ts";
import { act, alertsOf, get, rollback, rows } from "./support.ts";

const EVENT = "search/thing.changed";
const PATIENCE = { timeout: 10_000 };

// Of the test's application: its own page of a thing, its cache, its jobs.
const page = await startReceiver();
const stage = useRestores({
  config: defineConfig({
    tables: {
      "public.things": {
        cache: ["thing:{id}"],
        jobs: [{ event: EVENT, data: { id: "{id}", name: "{name}" } }],
        check: { url: `${page.url}/things/{id}`, allowPrivate: true },
      },
    },
  }),
});
const redis = useRedis(true);
const target = { table: "public.things", recordId: "1" };

beforeAll(() => {
  stage.flows.runtime.redis = redis.redis;
});

beforeEach(async () => {
  page.requests.length = 0;
  page.answer = () => 200;
  await stage.sql(`
    drop table if exists things;
    create table things (id int primary key, name text not null);
    select audit.track('things');
    insert into things values (1, 'good');
    update things set name = 'bad';
  `);
  await redis.client.flushall();
  await redis.client.set("thing:1", "bad");
  await redis.client.set("thing:2", "another");
});

/** The jobs that were enqueued in the name of a restore, in order. */
const jobs = async (name: string) =>
  (
    await rows(
      stage,
      "select payload::json -> 'data' ->> 'name' as name from inngest.events where name = $1 and payload::json -> 'data' ->> 'name' = $2",
      [EVENT, name],
    )
  ).length;

/** The engine's clock runs on past the pause before a verification. */
async function hurried<T>(ended: Promise<T>): Promise<T> {
  const timer = setInterval(
    () => void rows(stage, "update inngest.waits set due_at = now() where kind = 'sleep'").catch(() => 0),
    100,
  );
  return ended.finally(() => clearInterval(timer));
}

test("happen with a restore, with its rollback, and once more alone when they are asked for", async () => {
  const before = [await jobs("good"), await jobs("bad")];
  const enqueued = async () => [await jobs("good"), await jobs("bad")].map((n, i) => n - (before[i] ?? 0));
  const run = await hurried(stage.restore(target));
  expect(run).toMatchObject({
    status: "completed",
    report: {
      effects: {
        "flush-caches": { count: 1, remains: false },
        "reenqueue-jobs": { count: 1, remains: false },
      },
      verification: { ok: true, checks: [{ url: `${page.url}/things/1`, status: 200 }] },
    },
  });
  expect(await contents(redis)).toEqual({ "thing:2": "another" });
  expect(await enqueued()).toEqual([1, 0]);

  await redis.client.set("thing:1", "good");
  expect(await hurried(rollback(stage, run.id))).toMatchObject({ status: "completed" });
  expect(await contents(redis)).toEqual({ "thing:2": "another" });
  expect(await enqueued()).toEqual([1, 1]);

  await redis.client.set("thing:1", "of somebody");
  const history = await rows(stage, "select count(*) from audit.audit_logs");
  expect((await act(stage, run.id, "side-effects")).status).toBe(202);
  await expect.poll(() => contents(redis), PATIENCE).toEqual({ "thing:2": "another" });
  await expect.poll(async () => (await enqueued()).reduce((sum, n) => sum + n), PATIENCE).toBe(3);
  expect(await rows(stage, "select count(*) from audit.audit_logs")).toEqual(history);
});

test("do not happen where the options say none", async () => {
  const before = await jobs("good");
  const run = await stage.restore(target, { flush: "none", reenqueue: "none" });
  expect(run).toMatchObject({ status: "completed", report: { verification: { ok: true } } });
  expect(await contents(redis)).toEqual({ "thing:1": "bad", "thing:2": "another" });
  expect(await jobs("good")).toBe(before);
});

test("that fail their verification leave the restore for somebody to look at: alerted, and to be rolled back", async () => {
  page.answer = () => 500;
  const started = await stage.call("POST", "/restores", {
    body: { target, reason: "test", incident: "INC-7" },
  });
  const run = await hurried(stage.ended(started.body.id));
  expect(run).toMatchObject({
    status: "needs_attention",
    incident: "INC-7",
    report: { verification: { checks: [{ status: 500, error: "HTTP 500" }] } },
  });
  expect(run.error).toContain("an address that is checked did not answer well");
  expect(run.error).toContain(`/api/restores/${run.id}/rollback`);
  expect(await alertsOf(stage, run.id)).toEqual(["restore.needs-attention"]);
  const [alert] = await rows(stage, "select details from audit.alerts where subject = $1", [run.id]);
  expect(alert?.details).toMatchObject({ restoreId: run.id, incident: "INC-7" });

  page.answer = () => 200;
  expect(await hurried(rollback(stage, run.id))).toMatchObject({ status: "completed", incident: "INC-7" });
  expect(await stage.sql("select name from things")).toEqual([{ name: "bad" }]);
  expect((await get(stage, run.id)).status).toBe("rolled_back");
  expect(await alertsOf(stage, run.id)).toEqual(["restore.needs-attention (closed)"]);
});

test("a cache that a late reader fills once with the old value is flushed again, and nobody is called", async () => {
  const fillOnce = async () => {
    while ((await redis.client.get("thing:1")) !== null) await sleep(2);
    await redis.client.set("thing:1", "bad");
  };
  const [run] = await Promise.all([hurried(stage.restore(target)), fillOnce()]);
  expect(run).toMatchObject({
    status: "completed",
    report: { verification: { ok: true, cache: { staleCount: 0 } } },
  });
  expect(await redis.client.get("thing:1")).toBeNull();
});

test("a cache that is filled with the old value again and again is found stale", async () => {
  const writer = setInterval(() => void redis.client.set("thing:1", "bad").catch(() => 0), 5);
  const run = await hurried(stage.restore(target)).finally(() => clearInterval(writer));
  expect(run).toMatchObject({
    status: "needs_attention",
    report: { verification: { cache: { staleCount: 1, stale: ["thing:1"] } } },
  });
  expect(run.error).toContain("cache keys still hold what they held before");
  expect(await alertsOf(stage, run.id)).toEqual(["restore.needs-attention"]);
});
