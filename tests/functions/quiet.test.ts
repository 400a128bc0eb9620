import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createApp } from "../../api/_http/create-app.ts";
import { makeHome } from "../../db/migrate.ts";
import { raiseAlert } from "../../services/alerts/raise.ts";
import { workerContext } from "../../services/runtime.ts";
import { caller, mintKey, type Call } from "../support/api.ts";
import { useDatabase } from "../support/database.ts";
import { jobRunner, tick, useWorkflows, type TestWorkflows } from "../support/workflows.ts";

const count = async (db: ReturnType<typeof useDatabase>, from: string) =>
  (await db.rows<{ n: number }>("worker", `select count(*)::int as n from ${from}`))[0]?.n;

const alert = { code: "job.failed", subject: "trail-rollup", severity: "critical", message: "m" } as const;
const raise = (flows: TestWorkflows) => raiseAlert(workerContext(flows.runtime), alert);

describe("a preview deployment", () => {
  const db = useDatabase();
  const flows = useWorkflows(db, { VERCEL_ENV: "preview" });
  let call: Call;
  beforeAll(async () => {
    call = caller(createApp(flows.runtime), await mintKey(db));
  });

  test("registers no schedule with the engine, and runs its jobs by hand", async () => {
    const { runJob } = jobRunner(call);
    expect(await runJob("trail-rollup")).toMatchObject({ status: "completed" });
    const functions = await db.rows<{ config: string }>(
      "admin",
      "select f::text as config from inngest.functions f",
    );
    expect(functions.length).toBeGreaterThan(0);
    expect(functions.filter(({ config }) => /cron/.test(config))).toEqual([]);
  });

  test("raises no alarm, and is ready", async () => {
    await raise(flows);
    expect(await count(db, "alerts")).toBe(0);
    const { body } = await call("GET", "/ready");
    expect(body.checks).toContainEqual(expect.objectContaining({ name: "home", status: "ok" }));
  });
});

describe("on a Neon branch", () => {
  const db = useDatabase();
  beforeAll(async () => {
    await db.asOwner("insert into database_home (timeline_id) values ('main')");
    await db.rows("superuser", `alter database ${db.name} set neon.timeline_id = 'branch'`);
  });
  const flows = useWorkflows(db);
  let call: Call;
  beforeAll(async () => {
    call = caller(createApp(flows.runtime), await mintKey(db));
  });
  afterAll(() => db.rows("superuser", `alter database ${db.name} reset neon.timeline_id`));

  const home = async () => {
    const { body } = await call("GET", "/ready");
    return body.checks.find((one: { name: string }) => one.name === "home");
  };

  test("the clock starts nothing, no alarm is raised, and /ready fails and says what to do", async () => {
    await tick(flows, "trail-rollup");
    await expect
      .poll(() => db.rows("admin", "select status from inngest.runs"), { timeout: 10_000 })
      .toEqual([{ status: "Completed" }]);
    expect(await count(db, "job_runs")).toBe(0);
    await raise(flows);
    expect(await count(db, "alerts")).toBe(0);
    expect(await home()).toMatchObject({ status: "fail", action: expect.stringContaining("--make-home") });
  });

  test("that is made the home, as after a restore to an earlier time, schedules and alarms run again", async () => {
    await makeHome(db.url("admin"));
    await expect.poll(home, { timeout: 10_000 }).toMatchObject({ status: "ok" });
    await tick(flows, "trail-rollup");
    await expect.poll(() => count(db, "job_runs where status = 'completed'"), { timeout: 10_000 }).toBe(1);
    await raise(flows);
    expect(await count(db, "alerts")).toBe(1);
  });
});
