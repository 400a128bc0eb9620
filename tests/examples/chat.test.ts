import { afterEach, describe, expect, test, vi } from "vitest";
import type { AuditClient } from "../../client/index.ts";
import { startChatApp, type ChatApp } from "../../examples/chat/app.ts";
import { chat } from "../../examples/chat/handler.ts";
import type { Model } from "../../examples/chat/model.ts";
import { useClients } from "../client/support.ts";
import { newId } from "../support/api.ts";
import { noFault } from "../support/api-server.ts";

const stage = useClients();
const unhandled: unknown[] = [];
process.on("unhandledRejection", (error) => void unhandled.push(error));
afterEach(() => {
  stage.server.fault = noFault;
  expect(unhandled).toEqual([]);
});

const refused = async () => Response.json({ code: "forbidden" }, { status: 403 });
const asked = () => ({ projectId: newId("proj"), userId: "user-1", question: "Why is the sky blue?" });
const idOf = (response: Response) => response.headers.get("x-message-id") as string;
const trailOf = async (client: AuditClient, response: Response) => {
  await client.flush();
  return client.getAuditTrail(idOf(response));
};

/** Says "one two", and then goes on as it is told. */
const model = (then: (signal: AbortSignal) => Promise<void>): Model =>
  async function* (_, signal) {
    yield "one ";
    yield "two ";
    await then(signal);
    return { reasoning: [], tokens: { prompt: 10, completion: 2 }, cost: { prompt: 0.1, completion: 0.2 } };
  };

const stopped = (signal: AbortSignal) =>
  new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))));

describe("the handler", () => {
  test("a trail is a placeholder before the first word, and complete after the last one", async () => {
    const { client } = stage.client();
    const request = asked();
    const response = await chat(client, request);
    expect(await trailOf(client, response)).toMatchObject({ status: "placeholder", contextLayers: 2 });
    expect(await response.text()).toContain("Why is the sky blue?");
    const trail = await trailOf(client, response);
    expect(trail).toMatchObject({
      status: "complete",
      tokens: { prompt: 205 },
      latencyMs: expect.any(Number),
    });
    expect(await client.getAuditEvents(request.projectId)).toMatchObject([
      { actionType: "chat.answered", resourceId: idOf(response) },
    ]);
  });

  test("a reader who leaves stops the model, and the trail is failed", async () => {
    const { client, dropped } = stage.client({ mode: "buffered" });
    let isThinking = false;
    let isStopped = false;
    const thinking = model((signal) => {
      isThinking = true;
      return stopped(signal).finally(() => (isStopped = true));
    });
    const response = await chat(client, asked(), thinking);
    const reader = (response.body as ReadableStream).getReader();
    await reader.read();
    await reader.read();
    await vi.waitFor(() => expect(isThinking).toBe(true), { timeout: 10_000 });
    await reader.cancel();
    await vi.waitFor(() => expect(isStopped).toBe(true), { timeout: 10_000 });
    expect(await trailOf(client, response)).toMatchObject({ status: "failed" });
    expect(dropped).toEqual([]);
  });

  test("one who leaves while the last word is being noted leaves a complete trail", async () => {
    const { client } = stage.client();
    let arrived: () => void = () => undefined;
    const completing = new Promise<void>((resolve) => (arrived = resolve));
    let left: () => void = () => undefined;
    const leaving = new Promise<void>((resolve) => (left = resolve));
    stage.server.fault = async (request, through) => {
      if (request.method !== "PATCH") return through(request);
      arrived();
      await leaving;
      return through(request);
    };
    const response = await chat(
      client,
      asked(),
      model(async () => undefined),
    );
    const reader = (response.body as ReadableStream).getReader();
    await reader.read();
    await reader.read();
    await completing;
    await reader.cancel();
    left();
    await expect
      .poll(() => trailOf(client, response), { timeout: 10_000 })
      .toMatchObject({ status: "complete", tokens: { total: 12 } });
  });

  test("a model that fails leaves a failed trail, and its own error for the reader", async () => {
    const { client } = stage.client();
    const broken = model(() => Promise.reject(new Error("The model is overloaded.")));
    const response = await chat(client, asked(), broken);
    await expect(response.text()).rejects.toThrow("overloaded");
    expect(await trailOf(client, response)).toMatchObject({ status: "failed" });
  });

  test("it does so even when the failure cannot be noted, which onDropped hears", async () => {
    const { client, dropped } = stage.client();
    const broken = model(async () => {
      stage.server.fault = refused;
      throw new Error("The model is overloaded.");
    });
    const response = await chat(client, asked(), broken);
    await expect(response.text()).rejects.toThrow("overloaded");
    expect(dropped).toMatchObject([{ kind: "trail update", id: idOf(response) }]);
  });

  test("required, no word is said without a trail", async () => {
    const { client } = stage.client();
    stage.server.fault = refused;
    await expect(chat(client, asked())).rejects.toMatchObject({ status: 403 });
  });
});

describe("the app", () => {
  const started: ChatApp[] = [];
  afterEach(() => Promise.all(started.splice(0).map((app) => app.close())));
  const start = async () => {
    const apiKey = await stage.api.mintKey();
    const app = await startChatApp({
      url: stage.server.url,
      apiKey,
      backend: "database",
      log: () => undefined,
    });
    started.push(app);
    return app;
  };
  const ask = (app: ChatApp, request: object, signal?: AbortSignal) =>
    fetch(app.url, { method: "POST", body: JSON.stringify(request), ...(signal ? { signal } : {}) });

  test("answers over HTTP; a connection that breaks off fails the trail", async () => {
    const app = await start();
    const request = asked();
    const whole = await ask(app, request);
    expect(await whole.text()).toContain("counts your words");
    const gone = new AbortController();
    const broken = await ask(app, request, gone.signal);
    await broken.body?.getReader().read();
    gone.abort();
    const status = async (response: Response) => {
      const found = await fetch(`${app.url}/projects/${request.projectId}/trails/${idOf(response)}`);
      return ((await found.json()) as { status: string }).status;
    };
    expect(await status(whole)).toBe("complete");
    await vi.waitFor(async () => expect(await status(broken)).toBe("failed"), { timeout: 10_000 });
  });

  test("ends after the answers that are under way", async () => {
    const app = await start();
    const answers = await Promise.all(Array.from({ length: 3 }, () => ask(app, asked())));
    const closed = app.close();
    for (const answer of answers) expect(await answer.text()).toContain("counts your words");
    await closed;
    expect(app.audit.stats()).toMatchObject({ stored: 9, dropped: 0, queued: 0 });
    await expect(ask(app, asked())).rejects.toThrow("fetch failed");
  });
});
