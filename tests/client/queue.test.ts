import { afterEach, describe, expect, test, vi } from "vitest";
import type { AuditClientError } from "../../client/index.ts";
import { noFault, type ApiServer } from "../support/api-server.ts";
import { newId } from "../support/api.ts";
import { event, trail, useClients } from "./support.ts";

const stage = useClients();
afterEach(() => {
  stage.server.fault = noFault;
});

/** Later than a read waits, so that its first answer is its last. */
const muchLater = { headers: { "retry-after": "60" } };
const away = async () => Response.json({ code: "unavailable", detail: "Away." }, { status: 503 });
const limited = async (afterS: number) =>
  Response.json(
    { code: "rate_limited", detail: "Slower." },
    { status: 429, headers: { "retry-after": `${afterS}` } },
  );
const poisoned =
  (status: number): ApiServer["fault"] =>
  async (request, through) => {
    const isPoisoned = (await request.clone().text()).includes("poison");
    return isPoisoned ? Response.json({ code: "internal" }, { status }) : through(request);
  };
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

  test("one event that makes the service fail hinders no other, and is given up in the end", async () => {
    const { client, dropped } = stage.client({ mode: "buffered", flushTimeoutMs: 50 });
    const workspaceId = newId("ws");
    const together: string[] = [];
    stage.server.fault = async (request, through) => {
      const body = await request.clone().text();
      if (body.includes("poison") && body.includes("later")) together.push(body);
      return poisoned(500)(request, through);
    };
    for (let i = 0; i < 12; i++) {
      void client.logAuditEvent(event(workspaceId, { resourceId: i === 5 ? "poison" : `r-${i}` }));
    }
    await vi.waitFor(() => expect(client.stats().stored).toBe(11), { timeout: 10_000 });
    let later = 0;
    for (; dropped.length === 0 && later < 200; later++) {
      void client.logAuditEvent(event(workspaceId, { resourceId: `later-${later}` }));
      await client.flush();
    }
    await client.close();
    expect(dropped.map((one) => one.body)).toMatchObject([{ resourceId: "poison" }]);
    expect(dropped[0]?.error).toMatchObject({ status: 500 });
    expect(together).toEqual([]);
    expect(await stored(workspaceId)).toHaveLength(11 + later);
  });

  test.each([
    ["makes the service fail", 500],
    ["takes it too long or takes it down", 504],
  ])("required: one event that %s is an error of its own caller alone", async (_, status) => {
    const { client } = stage.client({ deadlineMs: 5_000 });
    const workspaceId = newId("ws");
    stage.server.fault = poisoned(status);
    const calls = Array.from({ length: 100 }, (_, i) =>
      client.logAuditEvent(event(workspaceId, { resourceId: i === 41 ? "poison" : `r-${i}` })),
    );
    const failed = (await Promise.allSettled(calls)).flatMap((one, i) =>
      one.status === "rejected" ? [[i, (one.reason as AuditClientError).status]] : [],
    );
    expect(failed).toEqual([[41, status]]);
    expect(await stored(workspaceId)).toHaveLength(99);
  });

  test("a trail on which one of two servers fails is kept until the other takes it", async () => {
    const { client, dropped } = stage.client({ mode: "buffered", flushTimeoutMs: 50 });
    const [workspaceId, projectId] = [newId("ws"), newId("proj")];
    stage.server.fault = poisoned(500);
    await client.storeAuditTrail(trail("poison", projectId));
    for (let i = 0; client.stats().retries < 10; i++) {
      await client.logAuditEvent(event(workspaceId));
      await client.flush();
      expect(i).toBeLessThan(200);
    }
    stage.server.fault = noFault;
    while ((await client.flush()) > 0);
    expect(await client.getAuditTrail("poison", projectId)).toMatchObject({ status: "complete" });
    expect(dropped).toEqual([]);
  });

  test("while a route fails for all that it is sent, nothing of it is given up, and the other route goes on", async () => {
    const { client, dropped } = stage.client({ mode: "buffered", flushTimeoutMs: 20 });
    const [workspaceId, projectId] = [newId("ws"), newId("proj")];
    let refusals = 0;
    stage.server.fault = async (request, through) =>
      request.url.endsWith("/audit/log/batch") && refusals < 60
        ? (refusals++, Response.json({ code: "internal" }, { status: 504 }))
        : through(request);
    for (let i = 0; i < 5; i++) void client.logAuditEvent(event(workspaceId));
    for (let i = 0; refusals < 60; i++) {
      await client.storeAuditTrail(trail(`msg-${i}`, projectId));
      await client.flush();
      expect(i).toBeLessThan(200);
    }
    while ((await client.flush()) > 0);
    expect(dropped).toEqual([]);
    expect(await stored(workspaceId)).toHaveLength(5);
  });

  test("a read waits for an event of its own that was not stored at once", async () => {
    const { client } = stage.client({ mode: "buffered" });
    const workspaceId = newId("ws");
    let isFirst = true;
    stage.server.fault = async (request, through) => {
      if (!isFirst) return through(request);
      isFirst = false;
      return new Response("Bad gateway", { status: 502 });
    };
    const eventId = await client.logAuditEvent(event(workspaceId));
    expect(await client.getAuditEvents(workspaceId)).toMatchObject([{ eventId }]);
  });

  test("a trail with which the service is still busy is not given up for it", async () => {
    const { client, dropped } = stage.client({ mode: "buffered", flushTimeoutMs: 50 });
    const [messageId, projectId] = [newId("msg"), newId("proj")];
    let refusals = 0;
    stage.server.fault = async (request, through) =>
      request.url.includes(messageId) && refusals++ < 30
        ? Response.json({ code: "request_running" }, { status: 409 })
        : through(request);
    await client.storeAuditTrail(trail(messageId, projectId));
    for (let i = 0; client.stats().stored < i + 1; i++) {
      await client.logAuditEvent(event(newId("ws")));
      await client.flush();
      expect(i).toBeLessThan(200);
    }
    expect(dropped).toEqual([]);
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

test("a refusal by something on the way, for what one event holds, takes no other with it", async () => {
  const { client, dropped } = stage.client({ mode: "buffered" });
  const workspaceId = newId("ws");
  stage.server.fault = async (request, through) =>
    (await request.clone().text()).includes("<script>")
      ? new Response("Blocked", { status: 403 })
      : through(request);
  for (let i = 0; i < 30; i++) {
    void client.logAuditEvent(event(workspaceId, { resourceId: i === 12 ? "<script>" : `r-${i}` }));
  }
  await client.flush();
  expect(dropped).toMatchObject([{ error: { status: 403, code: "bad_answer" } }]);
  expect(await stored(workspaceId)).toHaveLength(29);
});

test.each([
  ["a success", () => Response.json({ ok: true })],
  ["a redirect", () => new Response(null, { status: 302, headers: { location: "/api/health" } })],
  ["a success with a code", () => Response.json({ code: 200, msg: "ok", requestId: "r-1" })],
  ["a page for what is not there", () => new Response("default backend - 404", { status: 404 })],
  ["a document for what is not there", () => Response.json({ code: "NOT_FOUND" }, { status: 404 })],
  ["a time-out", () => new Response("", { status: 408 })],
  ["a request to come later", () => new Response("", { status: 425 })],
])("%s of something on the way is no answer, and the write is sent again", async (_, answer) => {
  const { client, dropped } = stage.client({ mode: "buffered" });
  const [workspaceId, messageId, projectId] = [newId("ws"), newId("msg"), newId("proj")];
  const met = new Set<string>();
  stage.server.fault = async (request, through) => {
    const { pathname } = new URL(request.url);
    if (met.has(pathname)) return through(request);
    met.add(pathname);
    return answer();
  };
  await client.storeAuditTrail(trail(messageId, projectId));
  await client.logAuditEvent(event(workspaceId));
  expect(await client.flush()).toBe(0);
  expect(met).toEqual(new Set([`/api/trails/${messageId}`, "/api/audit/log/batch"]));
  expect(dropped).toEqual([]);
  expect(client.stats()).toMatchObject({ stored: 2, retries: 2 });
  expect(await stored(workspaceId)).toHaveLength(1);
  expect(await client.getAuditTrail(messageId)).toMatchObject({ messageId });
});

test("a success of something on the way is not what was asked for either", async () => {
  const { client } = stage.client();
  stage.server.fault = async () => Response.json({ ok: true }, muchLater);
  await expect(client.getAuditTrail("msg")).rejects.toMatchObject({ code: "bad_answer" });
  await expect(client.getAuditEvents("ws")).rejects.toMatchObject({ code: "bad_answer" });
});

test("an error as JSON has its message", async () => {
  const { client, dropped } = stage.client();
  await expect(client.logAuditEvent(event("ws", { actionType: "" }))).rejects.toThrow("actionType");
  expect(JSON.parse(JSON.stringify(dropped))).toMatchObject([
    {
      error: {
        name: "AuditClientError",
        code: "invalid_request",
        status: 400,
        message: expect.stringContaining("actionType"),
      },
    },
  ]);
});

test("a limit that the service sets is kept, however many messages wait and however often one flushes", async () => {
  const { client } = stage.client({ mode: "buffered", flushTimeoutMs: 10 });
  let requests = 0;
  stage.server.fault = async () => (requests++, limited(30));
  for (let i = 0; i < 100; i++) void client.storeAuditTrail(trail(`msg-${i}`, "proj"));
  for (let i = 0; i < 20; i++) await client.flush();
  expect(requests).toBeLessThanOrEqual(8);
});

test("after requests to be slower one failure is not yet a service that is away", async () => {
  const { client, dropped } = stage.client({ mode: "buffered", queueMax: 1 });
  const workspaceId = newId("ws");
  const answers = [limited(0), limited(0), limited(0), away()];
  stage.server.fault = async (request, through) => answers.shift() ?? through(request);
  await Promise.all([1, 2].map(() => client.logAuditEvent(event(workspaceId))));
  expect(await client.flush()).toBe(0);
  expect(dropped).toEqual([]);
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
    const { client, dropped } = stage.client({ mode: "buffered", queueMax: 5, flushTimeoutMs: 50 });
    stage.server.fault = away;
    for (let i = 0; i < 5; i++) await client.logAuditEvent(event("ws"));
    while (client.stats().retries < 3) await client.flush();
    const id = await client.logAuditEvent(event("ws"));
    expect(dropped).toMatchObject([
      { id, body: { eventId: id }, error: { code: "queue_full" }, mayBeStored: false },
    ]);
    expect(client.stats()).toMatchObject({ queued: 5, dropped: 1, stored: 0 });
  });

  test.each([
    ["asks for less", () => limited(0)],
    ["is busy with it", async () => Response.json({ code: "request_running" }, { status: 409 })],
  ])("a service that %s is not away: a full queue waits for it", async (_, refuse) => {
    const { client, dropped } = stage.client({ mode: "buffered", queueMax: 5, flushTimeoutMs: 20 });
    const workspaceId = newId("ws");
    let refusals = 0;
    stage.server.fault = async () => (refusals++, refuse());
    for (let i = 0; i < 5; i++) await client.logAuditEvent(event(workspaceId));
    while (refusals < 4) await client.flush();
    const waiting = client.logAuditEvent(event(workspaceId));
    stage.server.fault = noFault;
    await waiting;
    while ((await client.flush()) > 0);
    expect(dropped).toEqual([]);
    expect(await stored(workspaceId)).toHaveLength(6);
  });

  test("what waits for room keeps a serverless function alive from the first", async () => {
    const kept: Promise<unknown>[] = [];
    const waitUntil = (promise: Promise<unknown>) => void kept.push(promise);
    const { client } = stage.client({ mode: "buffered", queueMax: 1, waitUntil });
    const { open } = gate();
    const all = [1, 2].map(() => client.logAuditEvent(event(newId("ws"))));
    await all[0];
    expect(kept).toHaveLength(2);
    open();
    await Promise.all([...all, ...kept]);
  });

  test("buffered: room is waited for until the deadline", async () => {
    const { client, dropped } = stage.client({ mode: "buffered", queueMax: 1, deadlineMs: 50 });
    const { open } = gate();
    const workspaceId = newId("ws");
    await client.logAuditEvent(event(workspaceId));
    const id = await client.logAuditEvent(event(workspaceId));
    expect(dropped).toMatchObject([{ id, error: { code: "queue_full" }, mayBeStored: false }]);
    open();
    await client.flush();
    expect(await stored(workspaceId)).toHaveLength(1);
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
  test("required: however many wait, none waits longer than the deadline", { timeout: 20_000 }, async () => {
    const { client, dropped } = stage.client({ timeoutMs: 5_000, deadlineMs: 500 });
    stage.server.fault = () => new Promise(() => undefined);
    const projectId = newId("proj");
    // One after the other, eight at once, they would take two minutes.
    const calls = Array.from({ length: 200 }, (_, i) => client.storeAuditTrail(trail(`msg-${i}`, projectId)));
    const ends = await Promise.allSettled(calls);
    expect(ends.filter((one) => one.status === "rejected" && one.reason.code === "timeout")).toHaveLength(
      200,
    );
    expect(dropped).toHaveLength(200);
    expect(dropped.filter((one) => one.mayBeStored)).toHaveLength(8);
    expect(client.stats().queued).toBe(0);
  });

  test("required: what was given up on its way is not overtaken by the next write of its message", async () => {
    const { client, dropped } = stage.client({ deadlineMs: 1_000 });
    const [messageId, projectId] = [newId("msg"), newId("proj")];
    const { open, bodies } = gate();
    await expect(client.storeAuditTrail(trail(messageId, projectId))).rejects.toMatchObject({
      code: "timeout",
    });
    expect(dropped).toMatchObject([{ mayBeStored: true }]);
    const update = client.updateAuditTrail(messageId, { reasoning: ["Later."] });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(bodies).toHaveLength(1);
    open();
    await update;
    expect(await client.getAuditTrail(messageId)).toMatchObject({ reasoning: ["Later."] });
  });

  test("a refusal says nothing of an attempt before it that had no answer", async () => {
    const { client, dropped } = stage.client();
    let requests = 0;
    stage.server.fault = async (request, through) => {
      if (++requests > 1) return Response.json({ code: "unauthenticated" }, { status: 401 });
      await through(request);
      return away();
    };
    await expect(client.storeAuditTrail(trail(newId("msg"), newId("proj")))).rejects.toMatchObject({
      status: 401,
    });
    expect(dropped).toMatchObject([{ mayBeStored: true }]);
  });

  test("a pause lasts as long as the service asks for", async () => {
    const { client } = stage.client();
    const workspaceId = newId("ws");
    const endsAt = performance.now() + 2_000;
    let requests = 0;
    stage.server.fault = async (request, through) => {
      requests++;
      return performance.now() < endsAt ? limited(2) : through(request);
    };
    await client.logAuditEvent(event(workspaceId));
    expect(requests).toBe(2);
  });

  test("required: a service that stays away is an error at the deadline", async () => {
    const { client, dropped } = stage.client({ deadlineMs: 300 });
    let requests = 0;
    stage.server.fault = async () => (requests++, away());
    const [messageId, projectId] = [newId("msg"), newId("proj")];
    await expect(client.storeAuditTrail(trail(messageId, projectId))).rejects.toMatchObject({ status: 503 });
    expect(requests).toBeGreaterThan(1);
    expect(dropped).toMatchObject([{ kind: "trail", id: messageId, body: { projectId }, mayBeStored: true }]);
    await expect(client.getAuditTrail(messageId)).rejects.toMatchObject({ code: "unavailable" });
  });

  test("a service that does not answer in time is an error, and one at another address is no empty answer", async () => {
    const { client } = stage.client({ timeoutMs: 30, deadlineMs: 100 });
    stage.server.fault = () => new Promise(() => undefined);
    await expect(client.getAuditTrail("msg")).rejects.toMatchObject({ code: "timeout" });
    stage.server.fault = async () => new Response("Not Found", { status: 404, ...muchLater });
    const { client: elsewhere } = stage.client();
    await expect(elsewhere.getAuditTrail("msg")).rejects.toMatchObject({
      code: "bad_answer",
      message: "The audit service answered 404.",
    });
    const { client: nowhere } = stage.client({ deadlineMs: 100, url: "http://127.0.0.1:1" });
    await expect(nowhere.getAuditTrail("msg")).rejects.toMatchObject({ code: "unreachable" });
  });

  test("promises that nobody awaits end nothing, whatever the callbacks do", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    const onDropped = async () => {
      throw new Error("the callback's own failure");
    };
    const { client } = stage.client({ deadlineMs: 100, onDropped });
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

test("a write asks for a short answer, and a whole one will do", async () => {
  const { client } = stage.client();
  const [messageId, projectId] = [newId("msg"), newId("proj")];
  const asked: unknown[] = [];
  const answers = [
    { messageId, reasoning: ["…"] },
    { messageId, status: "complete" },
  ];
  stage.server.fault = async (request, through) => {
    // What an earlier test gave up may still be on its way.
    if (!request.url.includes(messageId)) return through(request);
    asked.push([request.method, request.headers.get("prefer")]);
    return Response.json(answers.shift());
  };
  await client.storeAuditTrail(trail(messageId, projectId));
  await client.updateAuditTrail(messageId, { contextLayers: 1 });
  expect(asked).toEqual([
    ["PUT", "return=minimal"],
    ["PATCH", "return=minimal"],
  ]);
});

describe("the end", () => {
  test("what is given up at the end is reported in the order in which it was written", async () => {
    const { client, dropped } = stage.client({ mode: "buffered", queueMax: 3, flushTimeoutMs: 50 });
    gate();
    const projectId = newId("proj");
    for (let i = 0; i < 5; i++) void client.storeAuditTrail(trail("msg", projectId, { reasoning: [`${i}`] }));
    await client.close();
    expect(dropped.map((one) => (one.body as { reasoning: string[] }).reasoning[0])).toEqual([
      "0",
      "1",
      "2",
      "3",
      "4",
    ]);
  });

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
