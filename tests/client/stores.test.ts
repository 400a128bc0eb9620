import { describe, expect, test } from "vitest";
import type { AuditClientOptions } from "../../client/index.ts";
import { newId } from "../support/api.ts";
import { event, MODEL, trail, useClients } from "./support.ts";

const stage = useClients();
const BACKENDS: [name: string, options: AuditClientOptions][] = [
  ["memory", { backend: "memory" }],
  ["database, required", { backend: "database", mode: "required" }],
  ["database, buffered", { backend: "database", mode: "buffered" }],
  ["dual, buffered", { backend: "dual", mode: "buffered" }],
];

describe.each(BACKENDS)("%s", (_, options) => {
  test("a placeholder reads back with zeros, and is completed by tokens and cost", async () => {
    const { client } = stage.client(options);
    const [messageId, projectId] = [newId("msg"), newId("proj")];
    await client.createPlaceholderAuditTrail({ messageId, projectId, model: MODEL, contextLayers: 2 });
    const zeros = { prompt: 0, completion: 0, total: 0 };
    expect(await client.getAuditTrail(messageId)).toMatchObject({
      status: "placeholder",
      contextLayers: 2,
      tokens: zeros,
      cost: zeros,
    });
    await client.updateAuditTrail(messageId, {
      reasoning: ["One.", "Two."],
      tokens: { prompt: 100, completion: 50, cached: 20 },
      cost: { prompt: 0.0003, completion: 0.00075 },
      latencyMs: 1_234,
    });
    const read = await client.getAuditTrail(messageId);
    expect(read).toMatchObject({
      messageId,
      projectId,
      status: "complete",
      reasoning: ["One.", "Two."],
      tokens: { prompt: 100, completion: 50, total: 150, cached: 20 },
      cost: { prompt: 0.0003, completion: 0.00075, total: expect.closeTo(0.00105, 9) },
      latencyMs: 1_234,
    });
    expect(read?.tokens.reasoning ?? null).toBeNull();
    expect(read?.timestamp).toBeInstanceOf(Date);
  });

  test("a stored trail reads back as it was, and an unknown one is null", async () => {
    const { client } = stage.client(options);
    const [messageId, projectId] = [newId("msg"), newId("proj")];
    const stored = trail(messageId, projectId, { timestamp: new Date() });
    await client.storeAuditTrail(stored);
    stored.reasoning.push("Changed by the caller later.");
    const read = await client.getAuditTrail(messageId, projectId);
    expect(read).toMatchObject({
      ...stored,
      reasoning: ["The context holds the answer."],
      status: "complete",
    });
    expect(await client.getAuditTrail(newId("msg"))).toBeNull();
  });

  test("a placeholder never overwrites a complete trail, and the last complete one wins", async () => {
    const { client } = stage.client(options);
    const [messageId, projectId] = [newId("msg"), newId("proj")];
    await client.storeAuditTrail(trail(messageId, projectId));
    await client.createPlaceholderAuditTrail({ messageId, projectId, model: "other", contextLayers: 0 });
    expect(await client.getAuditTrail(messageId)).toMatchObject({ status: "complete", model: MODEL });
    await client.storeAuditTrail(trail(messageId, projectId, { reasoning: ["Later."] }));
    expect(await client.getAuditTrail(messageId)).toMatchObject({ reasoning: ["Later."] });
  });

  test("a complete trail cannot be made a failed one", async () => {
    const { client } = stage.client(options);
    const [messageId, projectId] = [newId("msg"), newId("proj")];
    await client.storeAuditTrail(trail(messageId, projectId));
    const update = client.updateAuditTrail(messageId, { status: "failed" }).then(() => client.flush());
    await (options.mode === "buffered" ? update : expect(update).rejects.toMatchObject({ code: "conflict" }));
    expect(await client.getAuditTrail(messageId)).toMatchObject({ status: "complete" });
  });

  test("a placeholder's cost of 0 is not known, whoever says it and whatever its tokens are", async () => {
    const { client } = stage.client(options);
    const [messageId, projectId] = [newId("msg"), newId("proj")];
    const zero = { prompt: 0, completion: 0, total: 0 };
    const asked = { prompt: 812, completion: 0 };
    await client.storeAuditTrail(
      trail(messageId, projectId, { status: "placeholder", tokens: asked, cost: zero }),
    );
    await client.updateAuditTrail(messageId, { cost: zero });
    expect(await client.getAuditTrail(messageId)).toMatchObject({ status: "placeholder", tokens: asked });
    await client.updateAuditTrail(messageId, { tokens: { prompt: 812, completion: 40 } });
    expect(await client.getAuditTrail(messageId)).toMatchObject({ status: "complete", cost: null });
  });

  test("an unpriced model is null, not free", async () => {
    const { client } = stage.client(options);
    const [messageId, projectId] = [newId("msg"), newId("proj")];
    // As an app's own code would store a placeholder: with zeros.
    const zero = { prompt: 0, completion: 0, total: 0 };
    await client.storeAuditTrail(trail(messageId, projectId, { reasoning: null, tokens: zero, cost: zero }));
    expect(await client.getAuditTrail(messageId)).toMatchObject({ status: "placeholder" });
    await client.updateAuditTrail(messageId, { tokens: { prompt: 1, completion: 2 } });
    expect(await client.getAuditTrail(messageId)).toMatchObject({ status: "complete", cost: null });
  });

  test("an event comes back by its resource under the id that was answered, newest first", async () => {
    const { client } = stage.client(options);
    const workspaceId = newId("ws");
    const first = await client.logAuditEvent(event(workspaceId));
    const second = await client.logAuditEvent(event(workspaceId, { resourceId: "r-2", tags: ["x"] }));
    expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const events = await client.getAuditEvents(workspaceId);
    expect(events.map((one) => one.eventId)).toEqual([second, first]);
    expect(events[0]).toMatchObject({ ...event(workspaceId, { resourceId: "r-2", tags: ["x"] }) });
    const of = (resourceId: string) =>
      client.getAuditEvents(workspaceId, { resourceType: "workspace", resourceId });
    expect((await of("r-2")).map((one) => one.eventId)).toEqual([second]);
    expect(await client.getAuditEvents(workspaceId, { limit: 1 })).toHaveLength(1);
  });

  test("an event under the caller's own id is stored once", async () => {
    const { client, dropped } = stage.client(options);
    const workspaceId = newId("ws");
    const eventId = newId("evt");
    for (let i = 0; i < 3; i++)
      expect(await client.logAuditEvent(event(workspaceId, { eventId }))).toBe(eventId);
    expect(await client.getAuditEvents(workspaceId)).toMatchObject([
      { eventId, occurredAt: null, tags: null },
    ]);
    expect(dropped).toEqual([]);
  });

  test("the same message id in two projects is two trails", async () => {
    const { client, differences } = stage.client(options);
    const [messageId, one, other] = [newId("msg"), newId("proj"), newId("proj")];
    await client.storeAuditTrail(trail(messageId, one));
    expect(await client.getAuditTrail(messageId, other)).toBeNull();
    await client.storeAuditTrail(trail(messageId, other, { contextLayers: 7 }));
    expect(await client.getAuditTrail(messageId, other)).toMatchObject({
      projectId: other,
      contextLayers: 7,
    });
    await client.updateAuditTrail(messageId, { contextLayers: 8 }, other);
    expect(await client.getAuditTrail(messageId, one)).toMatchObject({ projectId: one, contextLayers: 3 });
    expect(await client.getAuditTrail(messageId, other)).toMatchObject({ contextLayers: 8 });
    await expect(client.getAuditTrail(messageId)).rejects.toMatchObject({ code: "conflict" });
    await client.flush();
    expect(differences).toEqual([]);
  });

  test("a digest stays as it was set: left out or null it is kept, another one is refused", async () => {
    const { client, dropped, differences } = stage.client(options);
    const [messageId, projectId] = [newId("msg"), newId("proj")];
    const read = async () => (await client.getAuditTrail(messageId, projectId))?.digests;
    const digests = { prompt: "sha256:one", context: null };
    await client.storeAuditTrail({
      messageId,
      projectId,
      timestamp: new Date(),
      model: MODEL,
      contextLayers: 1,
      digests,
    });
    await client.storeAuditTrail(trail(messageId, projectId));
    expect(await read()).toMatchObject({ prompt: "sha256:one" });
    await client.updateAuditTrail(messageId, { digests: { prompt: null, context: "sha256:two" } });
    await client.storeAuditTrail(trail(messageId, projectId, { digests: { prompt: null } }));
    expect(await read()).toMatchObject({ prompt: "sha256:one", context: "sha256:two" });
    const again = [
      client.storeAuditTrail(trail(messageId, projectId, { digests: { prompt: "sha256:other" } })),
      client.updateAuditTrail(messageId, { digests: { context: "sha256:other" } }),
    ];
    const codes = (await Promise.allSettled(again)).map(
      (one) => one.status === "rejected" && one.reason.code,
    );
    await client.flush();
    // Buffered, the caller does not wait for the refusal.
    if (options.mode === "buffered") expect(codes).toEqual([false, false]);
    else expect(codes).toEqual(["conflict", "conflict"]);
    expect(dropped.map(({ error }) => error.code)).toEqual(["conflict", "conflict"]);
    expect(await read()).toMatchObject({ prompt: "sha256:one", context: "sha256:two" });
    await client.flush();
    expect(differences).toEqual([]);
  });

  test("inputs are not kept; the service keeps their digests, the memory none, which is no difference", async () => {
    const { client, dropped, differences } = stage.client(options);
    const [messageId, projectId] = [newId("msg"), newId("proj")];
    const inputs = { prompt: [{ role: "user", content: "Why?" }], policy: "Be kind." };
    await client.storeAuditTrail(trail(messageId, projectId, { inputs }));
    const read = await client.getAuditTrail(messageId, projectId);
    await client.flush();
    expect(read).not.toHaveProperty("inputs");
    expect(read?.digests?.prompt ?? null).toEqual(
      options.backend === "database" ? expect.stringMatching(/^sha256:[0-9a-f]{64}$/) : null,
    );
    expect([dropped, differences]).toEqual([[], []]);
  });

  test("a latency as a clock gives it is stored in whole milliseconds", async () => {
    const { client, dropped } = stage.client(options);
    const [messageId, projectId] = [newId("msg"), newId("proj")];
    await client.storeAuditTrail(trail(messageId, projectId, { latencyMs: 1_234.56 }));
    expect(await client.getAuditTrail(messageId)).toMatchObject({ latencyMs: 1_235 });
    await client.updateAuditTrail(messageId, { latencyMs: 0.4 });
    expect(await client.getAuditTrail(messageId)).toMatchObject({ latencyMs: 0 });
    expect(dropped).toEqual([]);
  });

  test("text that was cut within a character, or holds a NUL, keeps nothing from being stored", async () => {
    const { client, dropped, differences } = stage.client(options);
    const [messageId, projectId, workspaceId] = [newId("msg"), newId("proj"), newId("ws")];
    const cut = "A thought \u{1F600}".slice(0, -1);
    await client.storeAuditTrail(trail(messageId, projectId, { reasoning: ["C:\\u0000 stays"] }));
    await client.updateAuditTrail(messageId, { reasoning: [cut, "a\0b", "C:\\u0000 stays"] });
    await client.logAuditEvent(event(workspaceId, { metadata: { [cut]: "\0" } }));
    await client.flush();
    const { reasoning } = (await client.getAuditTrail(messageId)) ?? {};
    expect(reasoning).toEqual(["A thought \ufffd", "a\ufffdb", "C:\\u0000 stays"]);
    const [stored] = await client.getAuditEvents(workspaceId);
    expect(stored?.metadata).toEqual({ "A thought \ufffd": "\ufffd" });
    await client.flush();
    expect([dropped, differences]).toEqual([[], []]);
  });

  test("a browser that says too much of itself keeps nothing from being stored", async () => {
    const { client, dropped } = stage.client(options);
    const workspaceId = newId("ws");
    await client.logAuditEvent(event(workspaceId, { userAgent: "x".repeat(5_000) }));
    await client.flush();
    const [stored] = await client.getAuditEvents(workspaceId);
    expect(stored?.userAgent).toBe("x".repeat(1_000));
    expect(dropped).toEqual([]);
  });

  test("stored, dropped and queued are what was written", async () => {
    const { client, dropped } = stage.client(options);
    const [messageId, projectId] = [newId("msg"), newId("proj")];
    await client.storeAuditTrail(trail(messageId, projectId));
    await client.logAuditEvent(event(newId("ws")));
    await client.updateAuditTrail(newId("msg"), { contextLayers: 1 }).catch(() => undefined);
    await client.flush();
    expect(dropped).toMatchObject([{ kind: "trail update", error: { code: "not_found" } }]);
    expect(client.stats()).toMatchObject({ stored: 2, dropped: 1, queued: 0 });
  });

  test("arguments that cannot be are a rejected promise, never an exception", async () => {
    const { client } = stage.client(options);
    const nothing = undefined as never;
    const calls = [
      () => client.getAuditEvents("ws", { daysBack: Infinity }),
      () => client.logAuditEvent(nothing),
      () => client.storeAuditTrail(nothing),
      () => client.updateAuditTrail("msg", nothing),
      () => client.createPlaceholderAuditTrail(nothing),
    ];
    for (const call of calls) await expect(call()).rejects.toThrow(Error);
  });
});

test("more events than a page holds are read to the limit", async () => {
  const { client } = stage.client({ mode: "buffered" });
  const workspaceId = newId("ws");
  for (let i = 0; i < 1_050; i++) await client.logAuditEvent(event(workspaceId));
  // The service audits its readers, in the same workspace.
  const read = (limit: number) => client.getAuditEvents(workspaceId, { resourceType: "workspace", limit });
  expect(await read(1_020)).toHaveLength(1_020);
  expect(await read(2_000)).toHaveLength(1_050);
});

describe("a trail that is not there cannot be updated", () => {
  const update = { tokens: { prompt: 1, completion: 1 } };

  test.each(["memory", "database", "dual"])("%s: it throws", async (backend) => {
    const { client } = stage.client({ backend });
    await expect(client.updateAuditTrail(newId("msg"), update)).rejects.toMatchObject({ code: "not_found" });
  });

  test("buffered: it is reported", async () => {
    const { client, dropped } = stage.client({ mode: "buffered" });
    const messageId = newId("msg");
    await client.updateAuditTrail(messageId, update);
    await client.flush();
    expect(dropped).toMatchObject([
      { kind: "trail update", id: messageId, body: update, mayBeStored: false, error: { code: "not_found" } },
    ]);
  });
});

test.each(["database", "dual"])("%s: a trail needs its project", async (backend) => {
  const { client, dropped } = stage.client({ backend });
  const one = trail(newId("msg"), "", { projectId: undefined });
  await expect(client.storeAuditTrail(one)).rejects.toThrow("projectId required for database storage");
  await client.storeAuditTrail(one, newId("proj"));
  expect(dropped).toMatchObject([{ kind: "trail", id: one.messageId, error: { code: "invalid" } }]);
});
