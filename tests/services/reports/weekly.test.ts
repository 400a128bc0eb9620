import { beforeAll, describe, expect, test } from "vitest";
import { createApp } from "../../../api/_http/create-app.ts";
import { lastWeek, weekOf } from "../../../lib/iso-week.ts";
import { alertingContext, workerContext } from "../../../services/runtime.ts";
import { compileWeek } from "../../../services/reports/weekly.ts";
import { mailWeek } from "../../../services/reports/mail.ts";
import { caller, mintKey, type Call } from "../../support/api.ts";
import { useDatabase } from "../../support/database.ts";
import { startReceivers } from "../../support/receivers.ts";
import { jobRunner, useWorkflows } from "../../support/workflows.ts";

const db = useDatabase();
const receivers = await startReceivers();
const flows = useWorkflows(db, receivers.env);
const week = lastWeek(new Date());
const at = (days: number, seconds = 60) =>
  new Date(week.startsAt.getTime() + (days * 86_400 + seconds) * 1_000);
let call: Call;

/** An event of the past, which only the keeper's side could write; erased when `deleted`. */
const event = (when: Date, action: string, user: string, deleted = false) =>
  db.rows(
    "superuser",
    `insert into audit.audit_events (created_at, workspace_id, created_by_user_id, action_type, resource_type, resource_id, deleted_at)
     values ($1, 'ws-' || $3, $3, $2, 'thing', 't<1>', $4)`,
    [when.toISOString(), action, user, deleted ? new Date() : null],
  );

beforeAll(async () => {
  call = caller(createApp(flows.runtime), await mintKey(db));
  for (const month of new Set([week.startsAt, week.endsAt].map((time) => time.toISOString().slice(0, 7)))) {
    await db.asOwner("select audit.add_month_partition('audit_events', $1::date)", [`${month}-01`]);
  }
  await db.asOwner("alter table audit.audit_events disable trigger user");
  for (const _ of [1, 2, 3]) await event(at(0), "invoice.sent", "ann");
  await event(at(6, 86_399), "LOGIN_FAILED", "bob");
  await event(at(2), "invoice.sent", "bob", true);
  await event(at(-1, 86_399), "invoice.sent", "early");
  await event(at(7, 0), "invoice.sent", "late");
});

const path = `/reports/weekly/${week.name}`;

test("before the week is counted there is no report, and the answer says when there is", async () => {
  expect(await call("GET", path)).toMatchObject({
    status: 404,
    body: { detail: expect.stringContaining("POST /api/jobs/weekly-report/run") },
  });
  const now = await call("GET", `/reports/weekly/${weekOf(new Date()).name}`);
  expect(now).toMatchObject({ status: 404, body: { detail: expect.stringContaining("is not over") } });
  expect(await call("GET", "/reports/weekly/2025-W53")).toMatchObject({ status: 404 });
  expect(await call("GET", "/reports/weekly/last")).toMatchObject({ status: 400 });
});

describe("the report of a week", () => {
  test("counts what happened from Monday to Monday, erased events left out, and is mailed once", async () => {
    const { runJob } = jobRunner(call);
    expect(await runJob("weekly-report")).toMatchObject({
      status: "completed",
      result: { weeks: [week.name], mails: 1 },
    });
    const { status, body } = await call("GET", path);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      week: week.name,
      startsAt: week.startsAt.toISOString(),
      events: 4,
      byAction: [
        { actionType: "invoice.sent", count: 3 },
        { actionType: "LOGIN_FAILED", count: 1 },
      ],
      otherActions: 0,
      byUser: [
        { userId: "ann", count: 3 },
        { userId: "bob", count: 1 },
      ],
      security: { events: 1, latest: [{ actionType: "LOGIN_FAILED", userId: "bob", workspaceId: "ws-bob" }] },
    });
    expect(body.byDay.map((one: { events: number }) => one.events)).toEqual([3, 0, 0, 0, 0, 0, 1]);
    expect(body.partitions).toContainEqual({
      table: "audit_logs",
      partition: expect.any(String),
      bytes: expect.any(Number),
    });
    expect(receivers.mails).toHaveLength(1);
    expect(receivers.mails[0]?.mail.subject).toBe(`[Afterimage] week ${week.name}: 4 events, 1 of security`);
    expect(receivers.mails[0]?.mail.text).toContain("invoice.sent: 3");
    expect(receivers.mails[0]?.mail.html).toContain("thing t&lt;1&gt; in ws-bob");
    await runJob("weekly-report");
    expect(receivers.mails).toHaveLength(1);
  });

  test("does not change when the events do", async () => {
    const before = (await call("GET", path)).body;
    await event(at(1), "invoice.sent", "ann");
    await compileWeek(workerContext(flows.runtime), week);
    expect((await call("GET", path)).body).toEqual(before);
    await expect(db.rows("worker", "update weekly_reports set figures = '{}'")).rejects.toThrow(
      "permission denied",
    );
  });

  test("is sent again under the same id when nobody noted that it was", async () => {
    await db.asOwner("update audit.weekly_reports set mailed_at = null");
    receivers.mail.refuse = true;
    await expect(mailWeek(alertingContext(flows.runtime), week.name)).rejects.toThrow(
      "refused by the SMTP server",
    );
    receivers.mail.refuse = false;
    await mailWeek(alertingContext(flows.runtime), week.name);
    const ids = receivers.mails.map((one) => one.mail.messageId);
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
  });

  test("is not mailed from a deployment that raises no alarm", async () => {
    await db.asOwner("update audit.weekly_reports set mailed_at = null");
    expect(await mailWeek({ ...alertingContext(flows.runtime), quiet: true }, week.name)).toEqual({
      mailed: false,
    });
  });

  test("comes late when its Monday was missed, as those of the last four weeks since the first, each once", async () => {
    const before = Array.from({ length: 6 }, (_, i) => weekOf(at(-7 * (i + 1))));
    const [one, two, three, four, five] = before.map(({ name }) => name);
    const report = (name = "") => call("GET", `/reports/weekly/${name}`);
    const { runJob } = jobRunner(call);
    expect(await runJob("weekly-report")).toMatchObject({ result: { weeks: [week.name] } });
    // Of the first weeks of a service, nothing was missed.
    expect((await report(one)).status).toBe(404);
    await compileWeek(workerContext(flows.runtime), before[4] as (typeof before)[4]);
    await compileWeek(workerContext(flows.runtime), before[1] as (typeof before)[1]);
    const sent = receivers.mails.length;
    expect(await runJob("weekly-report")).toMatchObject({ result: { weeks: [three, one, week.name] } });
    expect(receivers.mails.slice(sent).map(({ mail }) => mail.subject)).toEqual([
      expect.stringContaining(String(three)),
      expect.stringContaining(String(one)),
    ]);
    expect((await report(one)).body).toMatchObject({ week: one, events: 1 });
    expect([(await report(two)).status, (await report(four)).status]).toEqual([200, 404]);
    expect((await report(five)).status).toBe(200);
    expect(await runJob("weekly-report")).toMatchObject({ result: { weeks: [week.name] } });
    expect(receivers.mails).toHaveLength(sent + 2);
  });

  test.each([{ workspaces: ["ws-ann"] }, { projects: ["p-1"] }])(
    "is not shown to a key limited to %o",
    async (limits) => {
      expect((await call("GET", path, { key: await mintKey(db, limits) })).status).toBe(403);
    },
  );
});
