import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import type { AuditClient } from "../../client/index.ts";
import { newId } from "../support/api.ts";
import { noFault } from "../support/api-server.ts";
import { useCli } from "../support/cli.ts";
import { drain, hazards, restarting, TIMEOUT_MS } from "./hazards.ts";
import { MODEL, trail, useClients } from "./support.ts";

const stage = useClients();
const afterimage = useCli(stage.api.db);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-dual-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));
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
  await vi.waitFor(() => expect(client.stats()).toMatchObject({ compared: 1, differences: 0 }));
});

test(
  "through the whole migration, under load and with faults, nothing is lost and nothing differs",
  { timeout: 90_000 },
  async () => {
    const projectId = newId("proj");
    const written: string[] = [];
    /** A chat: a placeholder, the answer, and somebody who looks at it at once. */
    const chat = async (client: AuditClient, count: number, week: number) => {
      const one = async (n: number) => {
        const messageId = `week-${week}-${n}`;
        written.push(messageId);
        await client.createPlaceholderAuditTrail({ messageId, projectId, model: MODEL, contextLayers: 2 });
        await client.getAuditTrail(messageId);
        await client.updateAuditTrail(messageId, {
          reasoning: [`Answer ${n}.`],
          tokens: { prompt: 100 + n, completion: n },
          cost: { prompt: 0.1, completion: 0.2 },
        });
        expect(await client.getAuditTrail(messageId)).toMatchObject({ status: "complete" });
      };
      for (let n = 0; n < count; n += 10) {
        await Promise.all(Array.from({ length: 10 }, (_, i) => one(n + i)));
      }
    };

    const memory = stage.client({ backend: "memory" });
    await chat(memory.client, 40, 1);
    const file = path.join(folder, "trails.ndjson");
    fs.writeFileSync(
      file,
      memory.client
        .memoryTrails()
        .map((one) => `${JSON.stringify(one)}\n`)
        .join(""),
    );

    const dual = stage.client({ backend: "dual", mode: "buffered", timeoutMs: TIMEOUT_MS });
    stage.server.fault = hazards(0.05);
    const load = chat(dual.client, 120, 2);
    expect((await afterimage(["import", "trails", file])).stdout).toContain("40 lines: 40 trails stored");
    await restarting(stage.server, load);
    stage.server.fault = noFault;
    await drain(dual.client);
    const compared = dual.client.stats().compared;
    for (const messageId of written.slice(40)) {
      await dual.client.getAuditTrail(messageId);
      await dual.client.flush();
    }
    expect([dual.differences, dual.dropped]).toEqual([[], []]);
    expect(dual.client.stats().compared - compared).toBe(120);

    const database = stage.client({ backend: "database" });
    await chat(database.client, 20, 3);
    for (const messageId of written) {
      expect(await database.client.getAuditTrail(messageId)).toMatchObject({ status: "complete", projectId });
    }
    expect((await afterimage(["compare", file])).stdout).toContain(
      "40 trails: 40 equal, 0 different, 0 missing",
    );
  },
);
