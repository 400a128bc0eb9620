import { expect, test, vi } from "vitest";
import { deliver } from "../../../services/alerts/deliver.ts";
import type { Channel } from "../../../services/alerts/channels.ts";
import { planMessages, type MessageRequest } from "../../../services/alerts/plan-messages.ts";
import { remindOfAlerts } from "../../../services/alerts/remind.ts";
import { raiseAlert, resolveAlert, type NewAlert } from "../../../services/alerts/raise.ts";
import { alertingContext } from "../../../services/runtime.ts";
import { useApi } from "../../support/api.ts";
import { newAlert, pass } from "./support.ts";

const api = useApi();
const channel = (id: string): Channel => ({ id, send: async () => undefined });

const contextOf = (ids: string[], quiet = false) => ({
  ...alertingContext(api.runtime),
  quiet,
  alerting: { channels: ids.map(channel), docsUrl: "", mail: null },
});

async function requestFor(alert: NewAlert): Promise<MessageRequest> {
  await raiseAlert(contextOf([]), alert);
  return api.engine.sent.at(-1)?.data as unknown as MessageRequest;
}

const rowsOf = ({ requestId }: MessageRequest) =>
  api.db.rows("worker", "select * from alert_notifications where request_id = $1 order by channel", [
    requestId,
  ]);

test("planning twice is one message per channel, the same both times", async () => {
  const request = await requestFor(newAlert());
  const ctx = contextOf(["mail", "webhook:0123456789ab"]);
  const [first, second] = [await planMessages(ctx, request), await planMessages(ctx, request)];
  expect(first.map((one) => one.channel)).toEqual(["mail", "webhook:0123456789ab"]);
  expect(second).toEqual(first);
  expect(await rowsOf(request)).toHaveLength(2);
});

test("the alert of a disabled channel is not told on that channel", async () => {
  const request = await requestFor(newAlert({ code: "channel.disabled", subject: "mail" }));
  await planMessages(contextOf(["mail", "webhook:0123456789ab"]), request);
  expect(await rowsOf(request)).toMatchObject([{ channel: "webhook:0123456789ab" }]);
});

test("a quiet deployment sends nothing but tests", async () => {
  const request = await requestFor(newAlert());
  expect(await planMessages(contextOf(["mail"], true), request)).toEqual([]);
  expect(await rowsOf(request)).toEqual([]);
  const trial = await requestFor(newAlert({ code: "alert.test" }));
  expect(await planMessages(contextOf(["mail"], true), trial)).toMatchObject([
    { channel: "mail", isTest: true },
  ]);
});

test("a deployment without channels says once in the log that alerts go nowhere", async () => {
  // This process may have said it for another test file.
  vi.resetModules();
  const { planMessages: planInNewProcess } = await import("../../../services/alerts/plan-messages.ts");
  for (let i = 0; i < 3; i++)
    expect(await planInNewProcess(contextOf([]), await requestFor(newAlert()))).toEqual([]);
  expect(api.logs.filter((line) => line.includes("alerts go nowhere"))).toHaveLength(1);
});

test("a message for a channel that is no longer configured is given up", async () => {
  const request = await requestFor(newAlert());
  const [message] = await planMessages(contextOf(["mail"]), request);
  if (!message) throw new Error("nothing was planned");
  expect(await deliver(contextOf([]), message, { isLast: false })).toBe("disabled");
  expect(await rowsOf(request)).toMatchObject([
    { last_error: "channel is no longer configured", given_up_at: expect.any(Date), attempts: 0 },
  ]);
});

test("a fault of our own in a channel is tried again, and its words are not kept", async () => {
  const request = await requestFor(newAlert());
  const ctx = contextOf([]);
  const broken = { id: "mail", send: () => Promise.reject(new TypeError("CANARY")) };
  const alerting = { channels: [broken], docsUrl: "", mail: null };
  const [message] = await planMessages({ ...ctx, alerting }, request);
  if (!message) throw new Error("nothing was planned");
  expect(await deliver({ ...ctx, alerting }, message, { isLast: false })).toEqual({ retryAfterSeconds: 0 });
  expect(await rowsOf(request)).toMatchObject([{ last_error: "failed before it was sent (TypeError)" }]);
  expect(api.logs.filter((line) => line.includes("CANARY"))).toEqual([]);
});

test("the end of a trouble is not told when it is back under a new alert", async () => {
  const alert = newAlert();
  const ctx = contextOf(["mail"]);
  await raiseAlert(ctx, alert);
  await resolveAlert(ctx, alert.code, alert.subject);
  const end = api.engine.sent.at(-1)?.data as unknown as MessageRequest;
  expect(end).toMatchObject({ kind: "resolved" });
  await pass(api, alert.subject, "11 minutes");
  await raiseAlert(ctx, alert);
  expect(await planMessages(ctx, end)).toEqual([]);
});

test.each(["acknowledged", "resolved"])(
  "a reminder of an alert that is %s meanwhile is not sent",
  async (end) => {
    const alert = newAlert();
    const ctx = contextOf(["mail"]);
    const { alertId } = await requestFor(alert);
    await pass(api, alert.subject, "25 hours");
    await remindOfAlerts(ctx);
    const reminder = api.engine.sent.at(-1)?.data as unknown as MessageRequest;
    expect(reminder).toMatchObject({ kind: "reminded", alertId });
    if (end === "resolved") await resolveAlert(ctx, alert.code, alert.subject);
    else await api.call("POST", `/alerts/${alertId}/acknowledge`);
    expect(await planMessages(ctx, reminder)).toEqual([]);
  },
);

test("a message that could not be delivered is not told after its alert is over for good", async () => {
  const alert = newAlert();
  const request = await requestFor(alert);
  const ctx = contextOf(["mail"]);
  const [message] = await planMessages(ctx, request);
  if (!message) throw new Error("nothing was planned");
  await resolveAlert(ctx, alert.code, alert.subject);
  await pass(api, alert.subject, "11 minutes");
  expect(await deliver(ctx, message, { isLast: false })).toBe("disabled");
  expect(await rowsOf(request)).toMatchObject([
    { last_error: "the alert was resolved meanwhile", attempts: 0 },
  ]);
});
