import { afterEach, expect, test } from "vitest";
import type { AuditClient } from "../../client/index.ts";
import { trailOf, type Written } from "../faults/client-load.ts";
import { readStored, shows } from "../faults/client-outcome.ts";
import { startUnrulyProxy, type Fate } from "../faults/client-proxy.ts";
import { pick, randomFrom } from "../faults/random.ts";
import { newId } from "../support/api.ts";
import { noFault } from "../support/api-server.ts";
import { trail, useClients } from "./support.ts";

const MESSAGES = 40;
const AT_ONCE = 6;
const WRITERS = 4;
const WRITES = 4;
const TIMEOUT_MS = 1_000;
const DELAYS = { slowMs: 40, lateMs: 1_400 };
const LATE_SHARE = 0.05;
const SLOW_SHARE = 0.3;
const SEED = Number(process.env.FAULT_SEED ?? Date.now() % 100_000);

const stage = useClients();
afterEach(() => {
  stage.server.fault = noFault;
});

interface Race {
  messageId: string;
  writes: (Pick<Written, "kind" | "number" | "isAcknowledged"> & { startedAt: number; endedAt: number })[];
}

test(
  `several clients race for a trail, requests come late and twice: the last complete one wins (seed ${SEED})`,
  { timeout: 120_000 },
  async () => {
    const random = randomFrom(SEED);
    const projectId = newId("proj");
    const keys = new Map<string, number>();
    stage.server.fault = async (request, through) => {
      const key = request.headers.get("idempotency-key") as string;
      keys.set(key, (keys.get(key) ?? 0) + 1);
      return through(request);
    };
    const proxy = await startUnrulyProxy(() => Number(new URL(stage.server.url).port), DELAYS);
    proxy.fate = (): Fate => {
      const drawn = random();
      return drawn < LATE_SHARE ? "late" : drawn < SLOW_SHARE ? "slow" : "through";
    };
    const url = `http://127.0.0.1:${proxy.port}`;
    const clients = Array.from(
      { length: WRITERS },
      () => stage.client({ url, timeoutMs: TIMEOUT_MS }).client,
    );

    let number = 0;
    const race = async (messageId: string): Promise<Race> => {
      const writes: Race["writes"] = [];
      const write = async (client: AuditClient, kind: Written["kind"]) => {
        const one = {
          kind,
          number: ++number,
          isAcknowledged: true,
          startedAt: performance.now(),
          endedAt: 0,
        };
        writes.push(one);
        const whole = trailOf(one.number);
        const { model, contextLayers } = whole;
        const answer =
          kind === "placeholder"
            ? client.createPlaceholderAuditTrail({ messageId, projectId, model, contextLayers })
            : kind === "store"
              ? client.storeAuditTrail({ ...whole, messageId, projectId, timestamp: new Date() })
              : client.updateAuditTrail(messageId, whole, projectId);
        await answer.catch(() => (one.isAcknowledged = false));
        one.endedAt = performance.now();
      };
      const writer = async (client: AuditClient) => {
        await write(client, pick(random, ["store", "placeholder"]));
        for (let n = 1; n < WRITES; n++)
          await write(client, pick(random, ["store", "update", "update", "placeholder"]));
      };
      await Promise.all(clients.map(writer));
      return { messageId, writes };
    };
    const races: Race[] = [];
    const numbers = Array.from({ length: MESSAGES }, (_, n) => n).values();
    const lane = async () => {
      for (const n of numbers) races.push(await race(`msg-${n}`));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    await proxy.settled();
    await proxy.close();

    const rows = (text: string, values: unknown[]) => stage.api.db.rows("superuser", text, values);
    const { trails } = await readStored(rows, projectId, projectId);
    const stored = new Map(trails.map((row) => [row.messageId, row]));
    expect(stored.size).toBe(MESSAGES);
    for (const { messageId, writes } of races) {
      const row = stored.get(messageId);
      const complete = writes.filter(({ kind }) => kind !== "placeholder");
      const known = complete.filter((one) => one.isAcknowledged);
      // One that began after another had ended comes after it; of those that ran side by side each may be the last.
      const last = complete.filter(
        (one) => !one.isAcknowledged || !known.some((other) => other.startedAt > one.endedAt),
      );
      const allowed = known.length > 0 ? last : writes;
      expect([messageId, row, allowed.some((one) => row && shows(row, one))]).toEqual([messageId, row, true]);
    }
    // Without these nothing was shown.
    expect([...keys.values()].filter((times) => times > 1).length).toBeGreaterThan(MESSAGES / 10);
    expect(races.flatMap(({ writes }) => writes).filter((one) => !one.isAcknowledged).length).toBeLessThan(
      number / 20,
    );
  },
);

test("an update that arrives late does not undo the one after it", async () => {
  const { client } = stage.client({ timeoutMs: 1_000 });
  const [messageId, projectId] = [newId("msg"), newId("proj")];
  await client.storeAuditTrail(trail(messageId, projectId));
  let late: (() => Promise<Response>) | undefined;
  stage.server.fault = async (request, through) => {
    if (late) return through(request);
    const copy = new Request(request.url, {
      method: request.method,
      headers: request.headers,
      body: await request.text(),
    });
    late = () => through(copy);
    return Response.json({ code: "unavailable", detail: "It still runs." }, { status: 504 });
  };
  await client.updateAuditTrail(messageId, { reasoning: ["first"] });
  await client.updateAuditTrail(messageId, { reasoning: ["second"] });
  await late?.();
  expect(await client.getAuditTrail(messageId)).toMatchObject({ reasoning: ["second"] });
});
