import { afterEach, describe, expect, test } from "vitest";
import { noFault } from "../support/api-server.ts";
import { newId } from "../support/api.ts";
import { event, trail, useClients } from "./support.ts";

const stage = useClients();
afterEach(() => {
  stage.server.fault = noFault;
});

const away = async () => Response.json({ code: "unavailable", detail: "Away." }, { status: 503 });
const stored = async (workspaceId: string) =>
  (
    await stage.api.db.rows<{ resource_id: string }>(
      "app",
      "select resource_id from audit_events where workspace_id = $1 and resource_type = 'workspace'",
      [workspaceId],
    )
  ).map((row) => row.resource_id);

/** Holds every request until it is let go. */
function gate() {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const bodies: string[] = [];
  stage.server.fault = async (request, through) => {
    bodies.push(await request.clone().text());
    await opened;
    return through(request);
  };
  return { open, bodies };
}

describe("batches", () => {
  test("events that are logged together are sent together, in their order", async () => {
    const { client } = stage.client({ mode: "buffered" });
    const workspaceId = newId("ws");
    const { open, bodies } = gate();
    open();
    for (let i = 0; i < 250; i++) void client.logAuditEvent(event(workspaceId, { resourceId: `r-${i}` }));
    expect(await client.flush()).toBe(0);
    const sent = bodies.map((body) => (JSON.parse(body) as { events: { resourceId: string }[] }).events);
    expect(sent).toHaveLength(3);
    expect(sent.flat().map((one) => one.resourceId)).toEqual(Array.from({ length: 250 }, (_, i) => `r-${i}`));
    expect(await stored(workspaceId)).toHaveLength(250);
  });

  test("one event that is refused does not take the others of its batch with it", async () => {
    const { client, dropped } = stage.client({ mode: "buffered" });
    const workspaceId = newId("ws");
    for (let i = 0; i < 60; i++) {
      void client.logAuditEvent(event(workspaceId, { resourceId: i === 41 ? "" : `r-${i}` }));
    }
    await client.flush();
    expect(dropped).toMatchObject([
      { kind: "event", error: { code: "invalid_request" }, mayBeStored: false },
    ]);
    expect(await stored(workspaceId)).toHaveLength(59);
  });

  test("one event that makes the service fail is given up, and the others are stored", async () => {
    const { client, dropped } = stage.client({ mode: "buffered", flushTimeoutMs: 500 });
    const workspaceId = newId("ws");
    stage.server.fault = async (request, through) => {
      const isPoisoned = (await request.clone().text()).includes("poison");
      return isPoisoned ? Response.json({ code: "internal" }, { status: 500 }) : through(request);
    };
    for (let i = 0; i < 12; i++) {
      void client.logAuditEvent(event(workspaceId, { resourceId: i === 5 ? "poison" : `r-${i}` }));
    }
    for (let i = 0; dropped.length === 0 && i < 20; i++) {
      void client.logAuditEvent(event(workspaceId, { resourceId: `later-${i}` }));
      await client.flush();
    }
    await client.close();
    expect(dropped.map((one) => one.body)).toMatchObject([{ resourceId: "poison" }]);
    expect((await stored(workspaceId)).filter((id) => id.startsWith("r-"))).toHaveLength(11);
  });

  test("a key that is refused is not tried once per event", async () => {
    const { client, dropped } = stage.client({ mode: "buffered", apiKey: "wrong" });
    const { open, bodies } = gate();
    open();
    for (let i = 0; i < 50; i++) void client.logAuditEvent(event(newId("ws")));
    await client.flush();
    expect(bodies).toHaveLength(1);
    expect(dropped).toHaveLength(50);
    expect(dropped[0]?.error).toMatchObject({ status: 401, code: "unauthenticated" });
  });
});

describe("bounds", () => {
  test("as long as the service answers, a full queue slows its callers and drops nothing", async () => {
    const { client, dropped } = stage.client({ mode: "buffered", queueMax: 20 });
    const workspaceId = newId("ws");
    const { open } = gate();
    let kept = 0;
    const all = Array.from({ length: 40 }, async () => {
      await client.logAuditEvent(event(workspaceId));
      kept++;
    });
    await Promise.all(all.slice(0, 20));
    expect([kept, client.stats().queued]).toEqual([20, 40]);
    open();
    await Promise.all(all);
    expect(await client.flush()).toBe(0);
    expect(dropped).toEqual([]);
    expect(await stored(workspaceId)).toHaveLength(40);
  });

  test("away, a full queue drops what comes next at once, counts it and reports it", async () => {
    const { client, dropped } = stage.client({ mode: "buffered", queueMax: 5, flushTimeoutMs: 600 });
    stage.server.fault = away;
    for (let i = 0; i < 5; i++) await client.logAuditEvent(event("ws"));
    await client.flush();
    const id = await client.logAuditEvent(event("ws"));
    expect(dropped).toMatchObject([
      { id, body: { eventId: id }, error: { code: "queue_full" }, mayBeStored: false },
    ]);
    expect(client.stats()).toMatchObject({ queued: 5, dropped: 1, stored: 0 });
  });

  test("the size of what waits is bounded as well", async () => {
    const { client, dropped } = stage.client({ mode: "buffered", queueCharsMax: 2_000 });
    await client.logAuditEvent(event(newId("ws"), { metadata: { text: "x".repeat(3_000) } }));
    expect(dropped).toMatchObject([{ error: { code: "queue_full" } }]);
    const { client: required } = stage.client({ queueCharsMax: 2_000 });
    const call = required.logAuditEvent(event(newId("ws"), { metadata: { text: "x".repeat(3_000) } }));
    await expect(call).rejects.toMatchObject({ code: "queue_full" });
  });
});

describe("failures", () => {
  test("required: a service that stays away is an error after so many attempts", async () => {
    const { client, dropped } = stage.client({ attempts: 2 });
    let requests = 0;
    stage.server.fault = async () => (requests++, away());
    const [messageId, projectId] = [newId("msg"), newId("proj")];
    await expect(client.storeAuditTrail(trail(messageId, projectId))).rejects.toMatchObject({ status: 503 });
    expect(requests).toBe(2);
    expect(dropped).toMatchObject([{ kind: "trail", id: messageId, body: { projectId }, mayBeStored: true }]);
    await expect(client.getAuditTrail(messageId)).rejects.toMatchObject({ code: "unavailable" });
  });

  test("a service that does not answer in time is an error, and one at another address is no empty answer", async () => {
    const { client } = stage.client({ timeoutMs: 30, attempts: 1 });
    stage.server.fault = () => new Promise(() => undefined);
    await expect(client.getAuditTrail("msg")).rejects.toMatchObject({ code: "timeout" });
    stage.server.fault = async () => new Response("Not Found", { status: 404 });
    const { client: elsewhere } = stage.client({ attempts: 1 });
    await expect(elsewhere.getAuditTrail("msg")).rejects.toMatchObject({ status: 404, code: "bad_answer" });
    const { client: nowhere } = stage.client({ attempts: 1, url: "http://127.0.0.1:1" });
    await expect(nowhere.getAuditTrail("msg")).rejects.toMatchObject({ code: "unreachable" });
  });

  test("promises that nobody awaits end nothing, whatever the callbacks do", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    const onDropped = async () => {
      throw new Error("the callback's own failure");
    };
    const { client } = stage.client({ attempts: 1, onDropped });
    stage.server.fault = away;
    void client.storeAuditTrail(trail("msg", "proj"));
    void client.storeAuditTrail(trail("msg", "", { projectId: undefined }));
    void client.storeAuditTrail(trail("msg", "proj", { timestamp: "never" }));
    void client.logAuditEvent(event("ws", { metadata: { big: 1n } }));
    void client.updateAuditTrail("msg", { contextLayers: 1 });
    void client.getAuditTrail("msg");
    void client.getAuditEvents("ws");
    await client.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
    expect(client.stats()).toMatchObject({ dropped: 5, queued: 0 });
  });
});

describe("the end", () => {
  test("close sends what is buffered, gives up what cannot be sent, and takes no more", async () => {
    const workspaceId = newId("ws");
    const { client } = stage.client({ mode: "buffered", lingerMs: 60_000 });
    await client.logAuditEvent(event(workspaceId));
    await client.close();
    expect(await stored(workspaceId)).toHaveLength(1);

    const late = stage.client({ mode: "buffered", flushTimeoutMs: 50 });
    stage.server.fault = away;
    const id = await late.client.logAuditEvent(event(workspaceId));
    await late.client.close();
    await late.client.logAuditEvent(event(workspaceId));
    expect(late.dropped.map(({ error }) => error.code)).toEqual(["closed", "closed"]);
    expect(late.dropped[0]).toMatchObject({ id, mayBeStored: true });
  });

  test("waitUntil is given what keeps a function alive until the write is stored, or for flushTimeoutMs", async () => {
    const workspaceId = newId("ws");
    const kept: Promise<unknown>[] = [];
    const options = { mode: "buffered", waitUntil: (promise: Promise<unknown>) => void kept.push(promise) };
    await stage.client(options).client.logAuditEvent(event(workspaceId));
    await Promise.all(kept);
    expect(kept).toHaveLength(1);
    expect(await stored(workspaceId)).toHaveLength(1);
    stage.server.fault = away;
    const { client } = stage.client({ ...options, flushTimeoutMs: 50 });
    await client.logAuditEvent(event(workspaceId));
    await Promise.all(kept);
    expect(client.stats().queued).toBe(1);
  });
});
