import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { newId } from "../support/api.ts";
import { noFault } from "../support/api-server.ts";
import { MODEL, trail, useClients } from "./support.ts";

const stage = useClients();
afterEach(() => {
  stage.server.fault = noFault;
});

test("a read answers from the memory, and names each field in which the database differs", async () => {
  const { client, differences } = stage.client({ backend: "dual" });
  const [messageId, projectId] = [newId("msg"), newId("proj")];
  await client.storeAuditTrail(trail(messageId, projectId));
  await stage.client().client.updateAuditTrail(messageId, {
    reasoning: ["Other."],
    tokens: { prompt: 100, completion: 51 },
  });
  expect(await client.getAuditTrail(messageId)).toMatchObject({ tokens: { completion: 50 } });
  await client.flush();
  expect(differences).toEqual([
    { messageId, field: "reasoning", memory: ["The context holds the answer."], database: ["Other."] },
    { messageId, field: "tokens.completion", memory: 50, database: 51 },
    { messageId, field: "tokens.total", memory: 150, database: 151 },
  ]);
  expect(client.stats()).toMatchObject({ compared: 1, differences: 3 });
});

test("a trail that the database lacks is a difference of its own", async () => {
  const { client, differences, dropped } = stage.client({ backend: "dual", mode: "buffered" });
  const messageId = newId("msg");
  stage.server.fault = async () => Response.json({ code: "forbidden" }, { status: 403 });
  await client.storeAuditTrail(trail(messageId, newId("proj")));
  await client.flush();
  stage.server.fault = noFault;
  await client.getAuditTrail(messageId);
  await client.flush();
  expect(dropped).toHaveLength(1);
  expect(differences).toMatchObject([{ messageId, field: "*", database: null }]);
});

test("what the memory does not have, after a restart or in another instance, comes from the database", async () => {
  const [messageId, projectId] = [newId("msg"), newId("proj")];
  await stage.client({ backend: "dual" }).client.storeAuditTrail(trail(messageId, projectId));
  const { client, differences } = stage.client({ backend: "dual" });
  await client.updateAuditTrail(messageId, { reasoning: ["After the restart."] });
  expect(await client.getAuditTrail(messageId)).toMatchObject({ reasoning: ["After the restart."] });
  expect(differences).toEqual([]);
});

test("buffered, neither a write nor a read waits for a service that is away", async () => {
  const { client } = stage.client({ backend: "dual", mode: "buffered" });
  const messageId = newId("msg");
  let answer: () => void = () => undefined;
  const answered = new Promise<void>((resolve) => (answer = resolve));
  stage.server.fault = async (request, through) => (await answered, through(request));
  await client.storeAuditTrail(trail(messageId, newId("proj")));
  expect(await client.getAuditTrail(messageId)).toMatchObject({ messageId });
  expect(client.stats()).toMatchObject({ queued: 1, compared: 0 });
  answer();
  await client.flush();
  await vi.waitFor(() => expect(client.stats()).toMatchObject({ compared: 1, differences: 0 }), {
    timeout: 10_000,
  });
});

test("what the database answers as of a moment before a write is no difference", async () => {
  const { client, differences } = stage.client({ backend: "dual", mode: "buffered", timeoutMs: 500 });
  const [messageId, projectId] = [newId("msg"), newId("proj")];
  await client.createPlaceholderAuditTrail({ messageId, projectId, model: MODEL, contextLayers: 1 });
  await client.flush();
  const isSent = () => vi.waitFor(() => expect(client.stats().queued).toBe(0), { timeout: 5_000 });
  let read: () => void = () => undefined;
  const hasRead = new Promise<void>((resolve) => (read = resolve));
  // Longer than a read waits for writes; a client that does not read meanwhile need not.
  const isReleased = Promise.race([hasRead, sleep(1_000)]);
  stage.server.fault = async (request, through) => {
    if (request.method !== "GET") {
      await isReleased;
      return through(request);
    }
    const answer = await through(request);
    read();
    await isSent();
    return answer;
  };
  await client.updateAuditTrail(messageId, { tokens: { prompt: 1, completion: 1 } });
  await client.getAuditTrail(messageId);
  await isSent();
  await client.flush();
  expect(differences).toEqual([]);
});
