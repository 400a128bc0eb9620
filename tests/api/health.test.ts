import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { checkReadiness } from "../../services/readiness/check.ts";
import { newId, useApi } from "../support/api.ts";

const api = useApi({
  ALERT_WEBHOOK_URL: "https://example.com/alerts",
  ALERT_WEBHOOK_SECRET: `whsec_${randomBytes(32).toString("base64")}`,
});
const ready = () => api.call("GET", "/ready", { key: null });
const checkOf = (body: { checks: { name: string }[] }, name: string) =>
  body.checks.find((one) => one.name === name);

test("/health says that the process answers, and asks nothing else", async () => {
  const { status, body } = await api.call("GET", "/health", { key: null });
  expect([status, body]).toEqual([200, { status: "ok" }]);
});

test("/ready is ok on a database as migrated, and says what it looked at", async () => {
  await api.db.rows("worker", "update job_schedules set last_success_at = now()");
  const { status, body } = await ready();
  expect([status, body.status]).toEqual([200, "ok"]);
  const names = ["database", "schema", "guards", "partitions", "roles", "schedules", "alerts", "channels"];
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
