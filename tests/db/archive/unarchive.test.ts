import pg from "pg";
import { expect, test } from "vitest";
import { newId, useApi } from "../../support/api.ts";
import { archiveAll, storeOldEvents } from "./support.ts";

const api = useApi();
const BACK = -15;

test("whoever stops before the commit of an event's return keeps no reader waiting, and has changed nothing", async () => {
  const ws = newId("ws");
  const [id = ""] = await storeOldEvents(api.db, { workspace: ws, month: BACK, count: 1 });
  await archiveAll(api.db);
  const client = new pg.Client(api.db.url("app"));
  const isCutOff = new Promise<unknown>((resolve) => client.on("error", resolve));
  await client.connect();
  await client.query("begin");
  await client.query("select audit.unarchive_audit_event($1)", [id]);
  expect((await api.call("GET", `/audit/events/${id}`)).status).toBe(200);
  expect(await isCutOff).toMatchObject({ code: "25P03" });
  expect((await api.call("GET", `/audit/events/${id}`)).body.archivedAt).not.toBeNull();
  await client.end().catch(() => undefined);
});
