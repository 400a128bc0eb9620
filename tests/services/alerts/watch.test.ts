import { beforeAll, describe, expect, test } from "vitest";
import { raiseAlert } from "../../../services/alerts/raise.ts";
import { resolvePastAlerts } from "../../../services/alerts/resolve-past.ts";
import { alertOpenGuards } from "../../../services/readiness/watch-guards.ts";
import { workerContext } from "../../../services/runtime.ts";
import { alertCapture } from "../../../services/history/watch-capture.ts";
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

describe("the capture of row changes", () => {
  const sql = (text: string) => api.db.rows("admin", text);
  const open = () =>
    api.db.rows(
      "app",
      "select code, details from alerts where subject = 'row history' and resolved_at is null order by 1",
    );

  beforeAll(async () => {
    await sql(
      "create schema app; create table app.kept (id int primary key); select audit.track('app.kept')",
    );
  });

  test("that is switched off is a critical alert that names the tables, until it is on again", async () => {
    expect(await alertCapture(ctx())).toEqual({ off: 0, failing: 0, broken: 0 });
    await sql("select audit.switch_capture(false)");
    expect(await alertCapture(ctx())).toEqual({ off: 1, failing: 0, broken: 0 });
    expect(await open()).toEqual([
      {
        code: "capture.off",
        details: { tables: [{ table: "app.kept", since: expect.stringMatching(/^20.*Z$/) }] },
      },
    ]);
    await sql("select audit.switch_capture(true)");
    await alertCapture(ctx());
    expect(await open()).toEqual([]);
    expect(await messagesOf(api, "row history")).toEqual(["raised", "resolved"]);
  });

  test("that let changes through is an alert, until an hour after the last", async () => {
    const add = (ago: string) =>
      api.db.asOwner(
        `insert into capture_gaps values ('app.kept'::regclass, 'app', 'kept', 'error', now() - interval '${ago}', now(), '42P01', 'x')`,
      );
    await add("61 minutes");
    expect(await alertCapture(ctx())).toMatchObject({ failing: 0 });
    await add("59 minutes");
    expect(await alertCapture(ctx())).toMatchObject({ failing: 1 });
    expect(await open()).toMatchObject([
      { code: "capture.gap", details: { tables: [{ table: "app.kept" }] } },
    ]);
    await api.db.asOwner("update capture_gaps set began_at = began_at - interval '2 minutes'");
    await alertCapture(ctx());
    expect(await open()).toEqual([]);
  });

  test("whose triggers are off or gone is an alert that says where, until they are back", async () => {
    await sql("drop trigger audit_delete on app.kept");
    expect(await alertCapture(ctx())).toMatchObject({ broken: 1 });
    expect(await open()).toMatchObject([
      { code: "capture.broken", details: { problems: [{ relation: "app.kept", problem: "triggers" }] } },
    ]);
    await sql("select audit.track('app.kept')");
    await alertCapture(ctx());
    expect(await open()).toEqual([]);
  });
});

test("refusals that stopped an hour ago are over, later ones are not", async () => {
  const [past, recent] = [`key:${newId("k")}`, `key:${newId("k")}`];
  for (const subject of [past, recent])
    await raiseAlert(ctx(), newAlert({ code: "access.refused", subject }));
  await pass(api, past, "61 minutes");
  await pass(api, recent, "59 minutes");
  await resolvePastAlerts({ ...ctx(), alerting: { channels: [], docsUrl: "", mail: null } });
  expect([await isOpen(past), await isOpen(recent)]).toEqual([false, true]);
});

test("the alert of a disabled channel is over when the deployment no longer uses the channel", async () => {
  const mail = { id: "mail", send: async () => undefined };
  for (const subject of ["mail", "webhook:0123456789ab"])
    await raiseAlert(ctx(), newAlert({ code: "channel.disabled", subject }));
  await resolvePastAlerts({ ...ctx(), alerting: { channels: [mail], docsUrl: "", mail: null } });
  expect([await isOpen("mail"), await isOpen("webhook:0123456789ab")]).toEqual([true, false]);
  await resolvePastAlerts({ ...ctx(), alerting: { channels: [], docsUrl: "", mail: null } });
  expect(await isOpen("mail")).toBe(false);
});
