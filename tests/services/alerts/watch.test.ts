import { expect, test } from "vitest";
import { raiseAlert } from "../../../services/alerts/raise.ts";
import { resolvePastAlerts } from "../../../services/alerts/resolve-past.ts";
import { alertOpenGuards } from "../../../services/readiness/watch-guards.ts";
import { workerContext } from "../../../services/runtime.ts";
import { newId, useApi } from "../../support/api.ts";
import { alertsOf, messagesOf, newAlert, pass } from "./support.ts";

const api = useApi();
const ctx = () => workerContext(api.runtime);

const isOpen = async (subject: string) => (await alertsOf(api, subject)).at(-1)?.resolved_at === null;

test("a guard that is switched off is a critical alert that names where, until it is on again", async () => {
  const month = `audit_events_${new Date().toISOString().slice(0, 7).replace("-", "_")}`;
  const trigger = "trigger audit_events_immutable_statement";
  expect(await alertOpenGuards(ctx())).toEqual({ open: [] });
  await api.db.asOwner(`alter table audit.${month} disable ${trigger}`);
  expect(await alertOpenGuards(ctx())).toEqual({ open: [month] });
  expect(await alertsOf(api, "audit log")).toMatchObject([
    { code: "guards.open", severity: "critical", details: { open: [month] } },
  ]);
  await api.db.asOwner(`alter table audit.${month} enable ${trigger}`);
  await alertOpenGuards(ctx());
  expect(await isOpen("audit log")).toBe(false);
  expect(await messagesOf(api, "audit log")).toEqual(["raised", "resolved"]);
});

test("refusals that stopped an hour ago are over, later ones are not", async () => {
  const [past, recent] = [`key:${newId("k")}`, `key:${newId("k")}`];
  for (const subject of [past, recent])
    await raiseAlert(ctx(), newAlert({ code: "access.refused", subject }));
  await pass(api, past, "61 minutes");
  await pass(api, recent, "59 minutes");
  await resolvePastAlerts({ ...ctx(), alerting: { channels: [], docsUrl: "" } });
  expect([await isOpen(past), await isOpen(recent)]).toEqual([false, true]);
});

test("the alert of a disabled channel is over when the deployment no longer uses the channel", async () => {
  const mail = { id: "mail", send: async () => undefined };
  for (const subject of ["mail", "webhook:0123456789ab"])
    await raiseAlert(ctx(), newAlert({ code: "channel.disabled", subject }));
  await resolvePastAlerts({ ...ctx(), alerting: { channels: [mail], docsUrl: "" } });
  expect([await isOpen("mail"), await isOpen("webhook:0123456789ab")]).toEqual([true, false]);
  await resolvePastAlerts({ ...ctx(), alerting: { channels: [], docsUrl: "" } });
  expect(await isOpen("mail")).toBe(false);
});
