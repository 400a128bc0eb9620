import { randomBytes } from "node:crypto";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { checkReadiness } from "../../services/readiness/check.ts";
import { month } from "../db/helpers.ts";
import { newId, useApi } from "../support/api.ts";

const api = useApi({
  ALERT_WEBHOOK_URL: "https://example.com/alerts",
  ALERT_WEBHOOK_SECRET: `whsec_${randomBytes(32).toString("base64")}`,
});
const ready = () => api.call("GET", "/ready", { key: null });
const checkOf = (body: { checks: { name: string }[] }, name: string) =>
  body.checks.find((one) => one.name === name);

/** What a check says to an operator, who may read the names of the application's tables. */
const look = async (name: string) => {
  const { app, worker } = api.runtime;
  const deployment = { quiet: true, channels: [], forOperator: true };
  const { checks } = await checkReadiness(app.db, worker.db, deployment);
  return checkOf({ checks }, name);
};

test("/health says that the process answers, and asks nothing else", async () => {
  const { status, body } = await api.call("GET", "/health", { key: null });
  expect([status, body]).toEqual([200, { status: "ok" }]);
});

test("/ready is ok on a database as migrated, and says what it looked at", async () => {
  await api.db.rows("worker", "update job_schedules set last_success_at = now()");
  const { status, body } = await ready();
  expect([status, body.status]).toEqual([200, "ok"]);
  const names = ["database", "schema", "guards", "partitions", "capture", "history", "cold files"];
  names.push("roles", "schedules", "alerts", "channels");
  for (const name of names)
    expect(checkOf(body, name)).toMatchObject({ status: "ok", detail: expect.stringMatching(/\w/) });
});

test("/ready runs its checks once for all who ask within two seconds, and anew after that", async () => {
  await expect.poll(async () => (await ready()).body.status, { timeout: 10_000 }).toBe("ok");
  const raise = () =>
    api.db.rows(
      "worker",
      "insert into alerts (code, subject, severity, message) values ('job.failed', $1, 'warning', 'x')",
      [newId("job")],
    );
  const count = async () =>
    /^\d+/.exec(String((checkOf((await ready()).body, "alerts") as { detail?: string })?.detail))?.[0];
  await raise();
  await expect.poll(count, { timeout: 10_000, interval: 20 }).toBe("1");
  await raise();
  expect(new Set(await Promise.all(Array.from({ length: 50 }, count)))).toEqual(new Set(["1"]));
  await expect.poll(count, { timeout: 10_000 }).toBe("2");
});

test("/ready is a 503 with Retry-After and what to do when the log is not guarded", async () => {
  const month = new Date().toISOString().slice(0, 7).replace("-", "_");
  const table = `audit.audit_events_${month}`;
  await api.db.rows("superuser", `alter table ${table} disable trigger all`);
  try {
    await expect.poll(async () => (await ready()).status, { timeout: 10_000 }).toBe(503);
    const { body, headers } = await ready();
    expect(body.status).toBe("fail");
    expect(checkOf(body, "guards")).toMatchObject({
      status: "fail",
      action: expect.stringContaining("enable trigger"),
    });
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
  } finally {
    await api.db.rows("superuser", `alter table ${table} enable trigger all`);
  }
});

test("/ready warns when alerts go nowhere, or a channel of theirs is disabled", async () => {
  const { app, worker } = api.runtime;
  const channelsOf = async (channels: string[] | null) => {
    const { checks } = await checkReadiness(app.db, worker.db, { quiet: false, channels });
    return checkOf({ checks }, "channels");
  };
  expect(await channelsOf([])).toMatchObject({ status: "warn", action: expect.stringContaining("SMTP_URL") });
  await api.db.rows("worker", "insert into alert_channels (channel, disabled_at) values ('mail', now())");
  expect(await channelsOf(["mail"])).toMatchObject({
    status: "warn",
    detail: expect.stringContaining("mail"),
  });
  expect(await channelsOf(["webhook:0123456789ab"])).toMatchObject({ status: "ok" });
  // Only the deployment knows its channels; a terminal knows which are disabled.
  expect(await channelsOf(null)).toMatchObject({ status: "warn" });
  const quiet = await checkReadiness(app.db, worker.db, { quiet: true, channels: [] });
  expect(checkOf(quiet, "channels")).toBeUndefined();
  await api.db.asOwner("delete from alert_channels");
});

test.each(["audit_events", "audit_events_archive", "audit_logs"])(
  "/ready warns when fewer than two months lie ahead of %s, and says what to do",
  async (table) => {
    await api.db.asOwner(`alter table ${table} detach partition ${table}_${month(2)}`);
    expect(await look("partitions")).toMatchObject({
      status: "warn",
      detail: `${table}: 1 months ahead`,
      action: expect.stringContaining("create_monthly_audit_partition()"),
    });
    await api.db.rows("admin", "select audit.create_monthly_audit_partition()");
    expect(await look("partitions")).toMatchObject({ status: "ok" });
  },
);

test("/ready warns, and does not fail, where the archive lacks this month, which it gets rows of months later", async () => {
  const detach = (table: string) =>
    api.db.asOwner(`alter table ${table} detach partition ${table}_${month(0)}`);
  await detach("audit_events_archive");
  expect(await look("partitions")).toMatchObject({
    status: "warn",
    detail: "audit_events_archive: 0 months ahead",
  });
  await detach("audit_logs");
  expect(await look("partitions")).toMatchObject({
    status: "fail",
    detail: expect.stringMatching(/written: audit_logs\.$/),
  });
  await api.db.rows("admin", "select audit.create_monthly_audit_partition()");
  expect(await look("partitions")).toMatchObject({ status: "ok" });
});

describe("the row history in /ready", () => {
  const sql = (text: string) => api.db.rows("admin", text);
  beforeAll(async () => {
    await sql("create schema app; create table app.kept (id int primary key, v text)");
    await sql("select audit.track('app.kept')");
    await sql("insert into app.kept select n, 'a' from generate_series(1, 300) n");
    await sql("update app.kept set v = 'b' where id <= 120");
  });
  // However a test ends, the next one finds all recorded.
  afterEach(async () => {
    await sql("alter table app.kept enable trigger user; select audit.switch_capture(true)");
    await sql("grant select on app.kept to audit_worker");
    await api.db.asOwner("delete from capture_gaps");
  });

  test("is ok while all is recorded, with the count looked at", async () => {
    expect(await look("capture")).toMatchObject({ status: "ok" });
    expect(await look("history")).toMatchObject({
      status: "ok",
      detail: expect.stringMatching(/^(1[2-9]|20)\d records/),
    });
  });

  test("fails when a trigger of a tracked table is off, and names the table", async () => {
    await sql("alter table app.kept disable trigger audit_update");
    expect(await look("capture")).toMatchObject({
      status: "fail",
      detail: expect.stringContaining("app.kept"),
      action: expect.stringMatching(/Enable its triggers, or run npx afterimage track app\.kept/),
    });
    await sql("alter table app.kept enable trigger audit_update");
    expect(await look("capture")).toMatchObject({ status: "ok" });
  });

  test("warns while capture is off, and of changes that were let through in the last hour", async () => {
    await sql("select audit.switch_capture(false)");
    expect(await look("capture")).toMatchObject({
      status: "warn",
      detail: expect.stringContaining("app.kept"),
      action: expect.stringContaining("capture on"),
    });
    await sql("select audit.switch_capture(true)");
    expect(await look("capture")).toMatchObject({ status: "ok" });
    const gap = (at: string) =>
      api.db.asOwner(
        `insert into capture_gaps values ('app.kept'::regclass, 'app', 'kept', 'error', ${at}, ${at}, '42P01', 'x')`,
      );
    await gap("now() - interval '61 minutes'");
    expect(await look("capture")).toMatchObject({ status: "ok" });
    await gap("now() - interval '59 minutes'");
    expect(await look("capture")).toMatchObject({
      status: "warn",
      detail: expect.stringContaining("app.kept"),
    });
  });

  test("warns of a partition that is not recorded by itself", async () => {
    await sql(
      "create table app.split (id int primary key) partition by range (id); select audit.track('app.split')",
    );
    await sql("create table app.split_1 partition of app.split for values from (1) to (9)");
    try {
      expect(await look("capture")).toMatchObject({
        status: "warn",
        detail: "app.split_1: partition",
        action: expect.stringContaining("npx afterimage track app.split,"),
      });
    } finally {
      await sql("select audit.untrack('app.split')");
    }
  });

  test("fails when a record of the newest entries cannot be rebuilt, but not where a gap explains it", async () => {
    const unrecorded = (text: string) =>
      sql(
        `begin; alter table app.kept disable trigger user; ${text}; alter table app.kept enable trigger user; commit`,
      );
    await unrecorded("update app.kept set v = 'behind its back' where id = 7");
    expect(await look("history")).toMatchObject({
      status: "fail",
      detail: expect.stringMatching(
        /^The history of 1 of \d+ records breaks, as of app\.kept before entry \d+ \(live\)/,
      ),
      action: expect.stringContaining("history verify"),
    });
    await api.db.asOwner(
      "insert into capture_gaps values ('app.kept'::regclass, 'app', 'kept', 'off', now() - interval '1 hour', now(), null, 'x')",
    );
    expect(await look("history")).toMatchObject({ status: "ok" });
  });

  test("warns when the workflows' role may not read a tracked table", async () => {
    await sql("revoke select on app.kept from audit_worker");
    expect(await look("history")).toMatchObject({
      status: "warn",
      detail: expect.stringContaining("app.kept"),
    });
  });
});
