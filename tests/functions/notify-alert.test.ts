import { beforeEach, describe, expect, test } from "vitest";
import { RETRY_DELAYS_S } from "../../lib/delivery.ts";
import { deliver } from "../../services/alerts/deliver.ts";
import { raiseAlert, resolveAlert } from "../../services/alerts/raise.ts";
import { resendWaiting } from "../../services/requests/resend-waiting.ts";
import { alertingContext, workerContext } from "../../services/runtime.ts";
import { newAlert } from "../services/alerts/support.ts";
import { useDatabase } from "../support/database.ts";
import { startReceivers } from "../support/receivers.ts";
import { useWorkflows } from "../support/workflows.ts";

const PATIENCE = { timeout: 60_000 };
/** A schedule of retries is many steps, each of which a busy machine takes its time for. */
const TIMEOUT_MS = 90_000;

const db = useDatabase();
const receivers = await startReceivers();
const flows = useWorkflows(db, receivers.env);
const ctx = () => workerContext(flows.runtime);
const webhook = () => flows.runtime.alerting.channels.find((one) => one.id !== "mail")?.id as string;

beforeEach(async () => {
  await settled();
  await db.asOwner("truncate alert_channels, alert_notifications, alerts, workflow_requests");
  receivers.reset();
});

/** Lets the engine's clock run on past every sleep until no run is left. */
async function settled(): Promise<void> {
  const isDone = async () => {
    await hurry();
    // One look at both: a run may ask for another and end between two.
    const open = await db.rows(
      "superuser",
      `select from inngest.runs where status = 'Running'
       union all select from audit.workflow_requests where picked_up_at is null`,
    );
    return open.length === 0;
  };
  await expect.poll(isDone, PATIENCE).toBe(true);
}

const hurry = () => db.rows("admin", "update inngest.waits set due_at = now() where kind = 'sleep'");

const notifications = () =>
  db.rows("worker", "select * from alert_notifications order by created_at, channel");

const typesOf = () => receivers.hooks.map((hook) => hook.body.type);

async function steps(): Promise<string[]> {
  const rows = await db.rows<{ name: string }>(
    "admin",
    `select s.name from inngest.steps s where s.run_id = (
       select max(id) from inngest.runs where function_id = 'afterimage-notify-alert')`,
  );
  return rows.map((row) => row.name).toSorted();
}

describe("a message", { timeout: TIMEOUT_MS }, () => {
  test("arrives once by every channel, however often its alert is raised", async () => {
    const alert = newAlert({ details: { engineRunId: "r-1" } });
    for (let i = 0; i < 3; i++) await raiseAlert(ctx(), alert);
    await settled();
    const [hook] = receivers.hooks;
    expect(receivers.hooks).toHaveLength(1);
    expect(hook?.body).toEqual({
      type: "alert.raised",
      timestamp: expect.stringMatching(/^20.*Z$/),
      data: {
        ...alert,
        id: expect.any(String),
        raisedAt: expect.stringMatching(/Z$/),
        lastRaisedAt: expect.stringMatching(/Z$/),
        raiseCount: expect.any(Number),
        resolvedAt: null,
        docs: "docs/ALERTS.md#jobfailed",
      },
    });
    const mail = receivers.mails[0]?.mail;
    expect(receivers.mails).toHaveLength(1);
    expect(mail?.subject).toBe(`[Afterimage] critical: job.failed (${alert.subject})`);
    expect(mail?.text).toContain(alert.message);
    expect(mail?.text).toContain("docs/ALERTS.md#jobfailed");
    expect(mail?.html).toContain("Mend &lt;it&gt; &amp; go on.");
    const rows = await notifications();
    expect(rows).toMatchObject([
      { channel: "mail", kind: "raised", attempts: 1, last_error: null, delivered_at: expect.any(Date) },
      { channel: webhook(), kind: "raised", attempts: 1, last_error: null, delivered_at: expect.any(Date) },
    ]);
    expect(hook?.id).toBe(rows[1]?.id);
    expect(mail?.messageId).toBe(`<${rows[0]?.id}@example.com>`);
    expect(await steps()).toEqual(["attempt-mail-1", "attempt-webhook-1", "finish", "plan"]);
  });

  test("to a receiver that is down arrives when it is up, under the same id, and holds up no other", async () => {
    receivers.hook = { status: 503 };
    await raiseAlert(ctx(), newAlert());
    await expect.poll(() => receivers.mails.length, PATIENCE).toBe(1);
    await expect.poll(() => receivers.hooks.length, PATIENCE).toBe(1);
    await expect
      .poll(async () => (await notifications())[1], PATIENCE)
      .toMatchObject({ attempts: 1, last_error: "HTTP 503", delivered_at: null, given_up_at: null });
    const [failing] = await db.rows("worker", "select * from alert_channels where channel = $1", [webhook()]);
    expect(failing).toMatchObject({ failing_since: expect.any(Date), disabled_at: null });
    receivers.hook = { status: 200 };
    await settled();
    expect(receivers.hooks).toHaveLength(2);
    expect(new Set(receivers.hooks.map((hook) => hook.id)).size).toBe(1);
    expect(receivers.mails).toHaveLength(1);
    const [works] = await db.rows("worker", "select * from alert_channels where channel = $1", [webhook()]);
    expect(works).toMatchObject({ failing_since: null, last_error: null });
  });

  test("waits as long as the receiver asks for, if that is longer than its own wait", async () => {
    receivers.hook = { status: 429, retryAfter: "3600" };
    await raiseAlert(ctx(), newAlert());
    const due = async () =>
      (
        await db.rows<{ s: number }>(
          "admin",
          "select extract(epoch from due_at - now())::int as s from inngest.waits where kind = 'sleep'",
        )
      )[0]?.s;
    await expect.poll(due, PATIENCE).toBeGreaterThan(3_000);
    receivers.hook = { status: 200 };
    await settled();
    expect(receivers.hooks).toHaveLength(2);
  });

  test("that was asked for while the engine was away arrives after it is sent again", async () => {
    const away = { ...ctx(), send: async () => Promise.reject(new Error("away")) };
    await raiseAlert(away, newAlert());
    expect(receivers.hooks).toEqual([]);
    await db.asOwner("update workflow_requests set created_at = created_at - interval '61 s'");
    expect(await resendWaiting(ctx())).toEqual({ sent: 1 });
    await settled();
    expect([receivers.hooks.length, receivers.mails.length]).toEqual([1, 1]);
  });

  test("that was sent by a process which died before noting so is sent again under the same id", async () => {
    // The receiver has it; then this process cannot write, as if it were gone.
    receivers.hook.before = async () => {
      const change = ["revoke update on %s from", "grant update on %s to"][receivers.hooks.length - 1];
      if (change)
        await db.rows("superuser", `${change.replace("%s", "audit.alert_notifications")} audit_worker`);
    };
    await raiseAlert(ctx(), newAlert());
    await settled();
    const ids = receivers.hooks.map((hook) => hook.id);
    expect(ids.length).toBeGreaterThan(1);
    expect(new Set(ids).size).toBe(1);
    expect((await notifications()).every((one) => one.delivered_at !== null)).toBe(true);
  });

  test("that was noted is not sent by a step that is repeated", async () => {
    await raiseAlert(ctx(), newAlert());
    await settled();
    for (const { id, channel } of await notifications()) {
      const message = { id, channel, isTest: false };
      expect(await deliver(alertingContext(flows.runtime), message, { isLast: false })).toBe("delivered");
    }
    expect([receivers.hooks.length, receivers.mails.length]).toEqual([1, 1]);
  });
});

describe("a channel", { timeout: TIMEOUT_MS }, () => {
  const disabled = () =>
    db.rows("worker", "select channel from alert_channels where disabled_at is not null");

  test("that says 410 is disabled at once, the other channel hears of it, and nothing goes there any more", async () => {
    receivers.hook = { status: 410 };
    await raiseAlert(ctx(), newAlert());
    await settled();
    expect(receivers.hooks).toHaveLength(1);
    expect(await disabled()).toEqual([{ channel: webhook() }]);
    expect(receivers.mails.map(({ mail }) => mail.subject)).toContain(
      `[Afterimage] critical: channel.disabled (${webhook()})`,
    );
    receivers.hook = { status: 200 };
    await raiseAlert(ctx(), newAlert());
    await settled();
    expect(receivers.hooks).toHaveLength(1);
    expect(receivers.mails).toHaveLength(3);
    const last = (await notifications()).filter((one) => one.channel === webhook()).at(-1);
    expect(last).toMatchObject({
      attempts: 0,
      last_error: "channel is disabled",
      given_up_at: expect.any(Date),
    });
  });

  test("that fails every attempt of the schedule is disabled, and works again when a message arrives", async () => {
    receivers.mail.refuse = true;
    await raiseAlert(ctx(), newAlert());
    await settled();
    const attempts = RETRY_DELAYS_S.length + 1;
    const [mail] = (await notifications()).filter((one) => one.channel === "mail");
    expect(mail).toMatchObject({
      attempts,
      last_error: "refused by the SMTP server (451)",
      given_up_at: expect.any(Date),
    });
    expect(await disabled()).toEqual([{ channel: "mail" }]);
    expect(receivers.hooks.map((hook) => hook.body.data.code)).toEqual(["job.failed", "channel.disabled"]);
    // A test message goes to a disabled channel as well.
    receivers.mail.refuse = false;
    await raiseAlert(ctx(), newAlert({ code: "alert.test" }));
    await settled();
    expect(await disabled()).toEqual([]);
    const open = "select from alerts where code = 'channel.disabled' and resolved_at is null";
    expect(await db.rows("worker", open)).toEqual([]);
  });

  test("that is disabled like the other leaves its alert in the list, and nothing goes in circles", async () => {
    receivers.mail.refuse = true;
    receivers.hook = { status: 410 };
    await raiseAlert(ctx(), newAlert());
    await settled();
    expect((await disabled()).length).toBe(2);
    expect(await db.rows("worker", "select from alerts")).toHaveLength(3);
    const lost = await db.rows("worker", "select from workflow_requests where picked_up_at is null");
    expect(lost).toEqual([]);
  });
});

describe("the end of an alert", { timeout: TIMEOUT_MS }, () => {
  test("is told after ten minutes of quiet", async () => {
    const alert = newAlert();
    await raiseAlert(ctx(), alert);
    await settled();
    await resolveAlert(ctx(), alert.code, alert.subject);
    const due = async () =>
      (
        await db.rows<{ s: number }>(
          "admin",
          "select extract(epoch from due_at - now())::int as s from inngest.waits where kind = 'sleep'",
        )
      )[0]?.s;
    await expect.poll(due, PATIENCE).toBeGreaterThan(580);
    const waiting = await db.rows("worker", "select from workflow_requests where picked_up_at is null");
    expect(waiting).toEqual([]);
    await settled();
    expect(typesOf()).toEqual(["alert.raised", "alert.resolved"]);
    expect(receivers.hooks[1]?.body.data.resolvedAt).toMatch(/Z$/);
    expect(receivers.mails[1]?.mail.subject).toBe(`[Afterimage] resolved: job.failed (${alert.subject})`);
    expect(await steps()).toEqual([
      "attempt-mail-1",
      "attempt-webhook-1",
      "finish",
      "pick-up",
      "plan",
      "wait-quiet",
    ]);
  });

  test("is told once when it comes and goes, and not at all while it is open", async () => {
    const alert = newAlert();
    await raiseAlert(ctx(), alert);
    await settled();
    await resolveAlert(ctx(), alert.code, alert.subject);
    await raiseAlert(ctx(), alert);
    await settled();
    expect(typesOf()).toEqual(["alert.raised"]);
    for (let i = 0; i < 3; i++) {
      await raiseAlert(ctx(), alert);
      await resolveAlert(ctx(), alert.code, alert.subject);
    }
    await settled();
    expect(typesOf()).toEqual(["alert.raised", "alert.resolved"]);
    expect(receivers.mails).toHaveLength(2);
  });
});
