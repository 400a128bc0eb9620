import { beforeEach, describe, expect, test } from "vitest";
import { remindOfAlerts } from "../../../services/alerts/remind.ts";
import { raiseAlert, resolveAlert } from "../../../services/alerts/raise.ts";
import { inTransaction } from "../../../services/context.ts";
import { resendWaiting } from "../../../services/requests/resend-waiting.ts";
import { workerContext } from "../../../services/runtime.ts";
import { useApi } from "../../support/api.ts";
import { alertsOf, messagesOf, newAlert, pass } from "./support.ts";

const api = useApi();
const ctx = () => workerContext(api.runtime);

beforeEach(() => {
  api.engine.away = false;
  api.engine.sent.length = 0;
});

describe("an alert is told", () => {
  test("once when it opens, by an event whose id is the request's", async () => {
    const alert = newAlert({ details: { runId: "r-1" } });
    await raiseAlert(ctx(), alert);
    const [row] = await alertsOf(api, alert.subject);
    expect(row).toMatchObject({ ...alert, raise_count: 1, resolved_at: null, notified_at: expect.any(Date) });
    const [event] = api.engine.sent;
    expect(api.engine.sent).toEqual([
      {
        id: event?.id,
        name: "audit/alert.notify",
        data: { requestId: event?.id, alertId: row?.id, kind: "raised" },
      },
    ]);
  });

  test("not again while it is raised again, which only counts and keeps the newest words", async () => {
    const alert = newAlert();
    for (const message of ["first", "second", "third"]) await raiseAlert(ctx(), { ...alert, message });
    expect(await alertsOf(api, alert.subject)).toMatchObject([{ raise_count: 3, message: "third" }]);
    expect(await messagesOf(api, alert.subject)).toEqual(["raised"]);
  });

  test("again when it becomes critical, and not when it becomes less", async () => {
    const alert = newAlert({ severity: "warning" });
    await raiseAlert(ctx(), alert);
    await raiseAlert(ctx(), { ...alert, severity: "critical" });
    await raiseAlert(ctx(), alert);
    expect(await messagesOf(api, alert.subject)).toEqual(["raised", "raised"]);
    expect(await alertsOf(api, alert.subject)).toMatchObject([{ severity: "warning" }]);
  });

  test("again once a day while it is open, as long as nobody acknowledges it", async () => {
    const alert = newAlert();
    await raiseAlert(ctx(), alert);
    await pass(api, alert.subject, "23 hours 59 minutes");
    await remindOfAlerts(ctx());
    expect(await messagesOf(api, alert.subject)).toEqual(["raised"]);
    await pass(api, alert.subject, "2 minutes");
    expect(await remindOfAlerts(ctx())).toEqual({ reminded: 1 });
    expect(await remindOfAlerts(ctx())).toEqual({ reminded: 0 });
    expect(await messagesOf(api, alert.subject)).toEqual(["raised", "reminded"]);
    const [row] = await alertsOf(api, alert.subject);
    await api.call("POST", `/alerts/${row?.id}/acknowledge`);
    await pass(api, alert.subject, "2 days");
    await remindOfAlerts(ctx());
    expect(await messagesOf(api, alert.subject)).toEqual(["raised", "reminded"]);
  });

  test("when it is over, once, if its opening was", async () => {
    const alert = newAlert();
    await raiseAlert(ctx(), alert);
    await resolveAlert(ctx(), alert.code, alert.subject);
    await resolveAlert(ctx(), alert.code, alert.subject);
    expect(await messagesOf(api, alert.subject)).toEqual(["raised", "resolved"]);
    const untold = newAlert();
    await api.db.rows(
      "app",
      "insert into alerts (code, subject, severity, message) values ($1, $2, 'critical', 'm')",
      [untold.code, untold.subject],
    );
    await resolveAlert(ctx(), untold.code, untold.subject);
    expect(await messagesOf(api, untold.subject)).toEqual([]);
    expect((await alertsOf(api, untold.subject))[0]?.resolved_at).not.toBeNull();
  });
});

describe("an alert that comes back", () => {
  test("within ten minutes is the same one, still acknowledged, and says nothing new", async () => {
    const alert = newAlert();
    await raiseAlert(ctx(), alert);
    const [first] = await alertsOf(api, alert.subject);
    await api.call("POST", `/alerts/${first?.id}/acknowledge`);
    await resolveAlert(ctx(), alert.code, alert.subject);
    await pass(api, alert.subject, "9 minutes");
    await raiseAlert(ctx(), alert);
    expect(await alertsOf(api, alert.subject)).toMatchObject([
      { id: first?.id, resolved_at: null, raise_count: 2, acknowledged_by_user_id: "user-test" },
    ]);
    expect(await messagesOf(api, alert.subject)).toEqual(["raised", "resolved"]);
  });

  test("after ten minutes is a new one", async () => {
    const alert = newAlert();
    await raiseAlert(ctx(), alert);
    await resolveAlert(ctx(), alert.code, alert.subject);
    await pass(api, alert.subject, "11 minutes");
    await raiseAlert(ctx(), alert);
    expect(await alertsOf(api, alert.subject)).toMatchObject([
      { raise_count: 1, resolved_at: expect.any(Date) },
      { raise_count: 1, resolved_at: null },
    ]);
    expect(await messagesOf(api, alert.subject)).toEqual(["raised", "resolved", "raised"]);
  });
});

test("raised by many at once it is one row and one message", async () => {
  const alert = newAlert();
  const asApi = { ...ctx(), db: api.runtime.app.db };
  await Promise.all(Array.from({ length: 40 }, (_, i) => raiseAlert(i % 2 === 0 ? ctx() : asApi, alert)));
  expect(await alertsOf(api, alert.subject)).toMatchObject([{ raise_count: 40 }]);
  expect(await messagesOf(api, alert.subject)).toEqual(["raised"]);
  expect(api.engine.sent).toHaveLength(1);
});

test("raised and resolved by many at once it is one row, told as often over as it was raised", async () => {
  const alert = newAlert();
  await raiseAlert(ctx(), alert);
  await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      i % 2 === 0 ? raiseAlert(ctx(), alert) : resolveAlert(ctx(), alert.code, alert.subject),
    ),
  );
  expect(await alertsOf(api, alert.subject)).toMatchObject([{ raise_count: 21 }]);
  const messages = await messagesOf(api, alert.subject);
  expect(messages.filter((kind) => kind === "raised")).toHaveLength(1);
});

describe("an alert that is raised within a transaction", () => {
  test("is told after the outermost commit", async () => {
    const alert = newAlert();
    await inTransaction(ctx(), async (outer) => {
      await inTransaction(outer, (inner) => raiseAlert(inner, alert));
      expect(api.engine.sent).toEqual([]);
      expect(await alertsOf(api, alert.subject)).toEqual([]);
    });
    expect(api.engine.sent).toHaveLength(1);
    expect(await alertsOf(api, alert.subject)).toHaveLength(1);
  });

  test("that is rolled back was never raised, and nobody is told", async () => {
    const [kept, dropped] = [newAlert(), newAlert()];
    await inTransaction(ctx(), async (outer) => {
      await raiseAlert(outer, kept);
      const inner = inTransaction(outer, async (tx) => {
        await raiseAlert(tx, dropped);
        throw new Error("changed my mind");
      });
      await expect(inner).rejects.toThrow("changed my mind");
    });
    expect(await messagesOf(api, kept.subject)).toEqual(["raised"]);
    expect(await alertsOf(api, dropped.subject)).toEqual([]);
    expect(api.engine.sent).toHaveLength(1);
  });
});

test("while the engine is away an alert is stored, and its message goes out under the same id later", async () => {
  api.engine.away = true;
  const alert = newAlert();
  await raiseAlert(ctx(), alert);
  expect(api.engine.sent).toEqual([]);
  const [request] = await api.db.rows(
    "app",
    `select event_id, send_count from workflow_requests r
     join alerts a on a.id = (r.data ->> 'alertId')::uuid where a.subject = $1`,
    [alert.subject],
  );
  expect(request).toMatchObject({ send_count: 0 });
  api.engine.away = false;
  await api.db.asOwner(
    "update workflow_requests set created_at = created_at - interval '61 s' where event_id = $1",
    [request?.event_id],
  );
  await resendWaiting(ctx());
  expect(api.engine.sent.map((event) => event.id)).toContain(request?.event_id);
});
