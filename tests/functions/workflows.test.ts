import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createApp } from "../../api/_http/create-app.ts";
import { caller, mintKey, newId, type Call } from "../support/api.ts";
import { useDatabase } from "../support/database.ts";
import { jobRunner, tick, useWorkflows, type Run } from "../support/workflows.ts";

const db = useDatabase();
const flows = useWorkflows(db);
let call: Call;
let runJob: (jobId: string) => Promise<Run>;
let ended: (path: string) => Promise<Run>;

beforeAll(async () => {
  call = caller(createApp(flows.runtime), await mintKey(db));
  ({ runJob, ended } = jobRunner(call));
});

const openAlerts = (code: string) =>
  db.rows("worker", "select * from alerts where code = $1 and resolved_at is null", [code]);

beforeEach(() => db.asOwner("update job_schedules set watched_since = clock_timestamp()"));

describe("trail-cleanup", () => {
  test("rolls up, then deletes what is past its retention, and says how much", async () => {
    const projectId = newId("proj");
    const put = (messageId: string, timestamp: Date) =>
      call("PUT", `/trails/${messageId}`, {
        body: {
          projectId,
          model: "m",
          contextLayers: 1,
          timestamp: timestamp.toISOString(),
          tokens: { prompt: 100, completion: 50 },
          cost: { prompt: 0.0003, completion: 0.00075 },
        },
      });
    const day = 24 * 60 * 60 * 1_000;
    expect((await put("old", new Date(Date.now() - 10 * day))).status).toBe(201);
    expect((await put("new", new Date(Date.now() - 2 * day))).status).toBe(201);

    const { status, result } = await runJob("trail-cleanup");
    expect({ status, result }).toMatchObject({
      status: "completed",
      result: { deletedCount: 1, remains: false },
    });
    expect((await call("GET", `/trails/old?projectId=${projectId}`)).status).toBe(404);
    expect((await call("GET", `/trails/new?projectId=${projectId}`)).status).toBe(200);
    const [total] = await db.rows(
      "worker",
      "select sum(message_count)::int as messages, sum(total_cost)::float as cost from audit_trail_rollup where project_id = $1",
      [projectId],
    );
    expect(total).toEqual({ messages: 2, cost: 0.0021 });
  });

  test("sweeps what is left of a deleted project", async () => {
    const projectId = newId("proj");
    await call("PUT", "/trails/m-1", { body: { projectId, model: "m", contextLayers: 1 } });
    expect((await call("DELETE", `/projects/${projectId}`)).status).toBe(202);
    expect((await runJob("trail-cleanup")).status).toBe("completed");
    expect(await db.rows("worker", "select from projects where project_id = $1", [projectId])).toHaveLength(
      0,
    );
  });
});

test("a missing month makes /ready fail with the SQL that mends it, and every answer a 503 until then", async () => {
  const month = `audit_events_${new Date().toISOString().slice(0, 7).replace("-", "_")}`;
  await db.asOwner(`alter table audit.audit_events detach partition audit.${month}`);
  const ready = async () => (await call("GET", "/ready")).body;
  await expect.poll(async () => (await ready()).status, { timeout: 10_000 }).toBe("fail");
  const { action } = (await ready()).checks.find((one: { name: string }) => one.name === "partitions");
  const event = {
    actionType: "T",
    resourceType: "r",
    resourceId: "r",
    workspaceId: newId("ws"),
    createdByUserId: "u",
  };
  for (const [method, path, body] of [
    ["POST", "/audit/log", event],
    ["GET", "/audit/events", undefined],
    ["POST", "/jobs/create-partitions/run", undefined],
  ] as const) {
    const answer = await call(method, path, { body });
    expect({ path, status: answer.status }).toEqual({ path, status: 503 });
    expect(answer.body.detail).toContain("create_monthly_audit_partition");
  }
  await db.rows("admin", action.split("in SQL: ")[1]);
  expect((await call("POST", "/audit/log", { body: event })).status).toBe(201);
  await expect.poll(async () => (await ready()).status, { timeout: 10_000 }).not.toBe("fail");
});

test("create-partitions adds the months that are missing and resolves its alert", async () => {
  const [last] = await db.rows<{ name: string }>(
    "worker",
    "select newest_partition as name from partition_schedule",
  );
  await db.asOwner(`drop table audit.${last?.name}`);
  const first = await runJob("create-partitions");
  expect(first).toMatchObject({ status: "completed", result: { added: 1, monthsAhead: 3 } });
  expect(await openAlerts("partitions.missing")).toHaveLength(0);
});

describe("a schedule", () => {
  test("that is paused does nothing when its time comes, and runs by hand all the same", async () => {
    await call("POST", "/jobs/trail-rollup/pause");
    await tick(flows, "trail-rollup");
    await expect
      .poll(async () => (await call("GET", "/jobs/trail-rollup")).body.runs[0].status, { timeout: 10_000 })
      .toBe("skipped");
    expect(await runJob("trail-rollup")).toMatchObject({ status: "completed" });
    expect((await call("POST", "/jobs/trail-rollup/resume")).body.pausedAt).toBeNull();
    await tick(flows, "trail-rollup");
    await expect
      .poll(async () => (await call("GET", "/jobs/trail-rollup")).body.runs[0], { timeout: 10_000 })
      .toMatchObject({ status: "completed", trigger: "schedule" });
  });

  test("without a success for too long is late: /ready shows it, an alert is raised once, the next success resolves it", async () => {
    await db.asOwner(
      "update job_schedules set watched_since = now() - interval '3 days', last_success_at = null where job_id = 'trail-rollup'",
    );
    // Its answer is kept for a moment.
    await expect
      .poll(async () => (await call("GET", "/ready")).body, { timeout: 10_000 })
      .toMatchObject({
        status: "warn",
        checks: expect.arrayContaining([
          expect.objectContaining({ name: "schedules", detail: expect.stringContaining("trail-rollup") }),
        ]),
      });
    expect((await runJob("watch-schedules")).result).toMatchObject({ late: ["trail-rollup"] });
    expect((await runJob("watch-schedules")).result).toMatchObject({ late: ["trail-rollup"] });
    expect(await openAlerts("schedule.late")).toMatchObject([{ subject: "trail-rollup", raise_count: 2 }]);
    await runJob("trail-rollup");
    expect(await openAlerts("schedule.late")).toHaveLength(0);
  });
});

test("the alert of a late schedule closes when the schedule is paused", async () => {
  await db.asOwner(
    "update job_schedules set watched_since = now() - interval '3 days', last_success_at = null where job_id = 'trail-rollup'",
  );
  await runJob("watch-schedules");
  expect(await openAlerts("schedule.late")).toHaveLength(1);
  await call("POST", "/jobs/trail-rollup/pause");
  expect((await runJob("watch-schedules")).result).toMatchObject({ late: [] });
  expect(await openAlerts("schedule.late")).toHaveLength(0);
  await call("POST", "/jobs/trail-rollup/resume");
});

test("a workflow that has used up its retries is a failed run and an alert; its next success resolves it", async () => {
  await db.rows("superuser", "revoke execute on function audit.roll_up_trails(int) from audit_worker");
  const failed = await runJob("trail-rollup").finally(() =>
    db.rows("superuser", "grant execute on function audit.roll_up_trails(int) to audit_worker"),
  );
  expect(failed.status).toBe("failed");
  // Kind and code; the database's own words may quote values.
  expect(failed.error).toMatch(/^The step failed: .*42501$/);
  expect(await openAlerts("job.failed")).toMatchObject([{ subject: "trail-rollup", severity: "critical" }]);
  await runJob("trail-rollup");
  expect(await openAlerts("job.failed")).toHaveLength(0);
});

test("a run that fails before it was begun is failed too, under its job's name, and does not wait for ever", async () => {
  const right = "update on audit.job_runs from audit_worker";
  await db.rows("superuser", `revoke ${right}`);
  const { headers } = await call("POST", "/jobs/trail-rollup/run");
  const path = (headers.get("location") ?? "").replace(/^\/api/, "");
  const failures = () =>
    db.rows("admin", "select from inngest.runs where function_id like '%trail-rollup' and status = 'Failed'");
  const before = (await failures()).length;
  await expect.poll(async () => (await failures()).length, { timeout: 20_000 }).toBe(before + 1);
  await db.rows("superuser", `grant ${right.replace(" from ", " to ")}`);
  const run = await ended(path);
  expect(run).toMatchObject({ status: "failed" });
  expect(await openAlerts("job.failed")).toMatchObject([{ subject: "trail-rollup" }]);
  const [request] = await db.rows("app", "select picked_up_at from workflow_requests where event_id = $1", [
    run.id,
  ]);
  expect(request?.picked_up_at).not.toBeNull();
  await runJob("trail-rollup");
  expect(await openAlerts("job.failed")).toHaveLength(0);
});

test("a run that began and never ended is given up after two hours, with an alert that the next success resolves", async () => {
  await db.rows(
    "worker",
    "insert into job_runs (job_id, trigger, status, engine_run_id, started_at) values ('trail-rollup', 'schedule', 'running', 'gone', now() - interval '3 hours')",
  );
  expect((await runJob("watch-schedules")).result).toMatchObject({ stuck: 1 });
  expect(await openAlerts("job.stuck")).toHaveLength(1);
  expect((await runJob("watch-schedules")).result).toMatchObject({ stuck: 0 });
  await runJob("trail-rollup");
  expect(await openAlerts("job.stuck")).toHaveLength(0);
});

test("watch-schedules tells of capture that is off within its 15 minutes, and that it is on again", async () => {
  await db.rows("admin", "create schema app; create table app.kept (id int primary key)");
  await db.rows("admin", "select audit.track('app.kept'), audit.switch_capture(false)");
  expect((await runJob("watch-schedules")).result).toMatchObject({ capture: { off: 1 } });
  expect(await openAlerts("capture.off")).toHaveLength(1);
  await db.rows("admin", "select audit.switch_capture(true)");
  await runJob("watch-schedules");
  expect(await openAlerts("capture.off")).toHaveLength(0);
});

test("the list of jobs shows each one's last run", async () => {
  const { id } = await runJob("trail-cleanup");
  const { body } = await call("GET", "/jobs");
  const item = body.items.find((one: { id: string }) => one.id === "trail-cleanup");
  expect(item.lastRun).toMatchObject({ id, status: "completed", result: { deletedCount: 0 } });
});
