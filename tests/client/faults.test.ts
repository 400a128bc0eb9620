import { afterEach, expect, test } from "vitest";
import { noFault } from "../support/api-server.ts";
import { newId } from "../support/api.ts";
import { drain, hazards, restarting, TIMEOUT_MS } from "./hazards.ts";
import { event, MODEL, trail, useClients } from "./support.ts";

const TRAILS = 1_000;
const CALLERS = 24;
const SHARE = 0.06;
const TEST_MS = 120_000;

const stage = useClients();
afterEach(() => {
  stage.server.fault = noFault;
});

/** Each number once, by several callers at once. */
async function byMany(count: number, work: (n: number) => Promise<void>): Promise<void> {
  const numbers = Array.from({ length: count }, (_, n) => n).values();
  const caller = async () => {
    for (const n of numbers) await work(n);
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

async function storedTrails(projectId: string): Promise<Map<string, string[]>> {
  const rows = await stage.api.db.rows<{ message_id: string; reasoning: string[] }>(
    "app",
    "select message_id, reasoning from audit_trails where project_id = $1 and status = 'complete'",
    [projectId],
  );
  return new Map(rows.map((row) => [row.message_id, row.reasoning]));
}

test(
  "required: while the service restarts, is slow, is cut and answers 500, each acknowledged trail is stored once",
  { timeout: TEST_MS },
  async () => {
    const { client } = stage.client({ timeoutMs: TIMEOUT_MS, attempts: 6 });
    const projectId = newId("proj");
    const acknowledged = new Set<string>();
    let failed = 0;
    stage.server.fault = hazards(SHARE);
    const write = async (n: number) => {
      const messageId = `msg-${n}`;
      try {
        // Some as a chat writes them, in two steps.
        if (n % 4 === 0) {
          await client.createPlaceholderAuditTrail({ messageId, projectId, model: MODEL, contextLayers: 1 });
          await client.updateAuditTrail(messageId, {
            reasoning: [`${n}`],
            tokens: { prompt: 1, completion: n },
          });
        } else {
          await client.storeAuditTrail(trail(messageId, projectId, { reasoning: [`${n}`] }));
        }
        acknowledged.add(messageId);
      } catch {
        failed++;
      }
    };
    await restarting(stage.server, byMany(TRAILS, write));
    stage.server.fault = noFault;

    const stored = await storedTrails(projectId);
    expect(acknowledged.size + failed).toBe(TRAILS);
    // A suite in which nothing gets through would show nothing.
    expect(acknowledged.size).toBeGreaterThan(TRAILS / 2);
    expect(client.stats().retries).toBeGreaterThan(TRAILS / 20);
    for (const messageId of acknowledged) {
      expect(stored.get(messageId)).toEqual([messageId.slice("msg-".length)]);
    }
  },
);

test(
  "buffered: what is stored and what is reported as dropped are what was written",
  { timeout: TEST_MS },
  async () => {
    const { client, dropped } = stage.client({ mode: "buffered", timeoutMs: TIMEOUT_MS, queueMax: 100 });
    const projectId = newId("proj");
    stage.server.fault = hazards(SHARE);
    const write = (n: number) =>
      client.storeAuditTrail(trail(`msg-${n}`, projectId, { reasoning: [`${n}`] }));
    const working = byMany(TRAILS / 2, write).then(async () => {
      // Away for good, the queue fills, and what comes then is dropped.
      stage.server.fault = async () => new Response(null, { status: 503 });
      await byMany(TRAILS / 2, (n) => write(TRAILS / 2 + n));
      stage.server.fault = hazards(SHARE);
      await client.flush();
    });
    await restarting(stage.server, working);
    stage.server.fault = noFault;
    await drain(client);

    const stored = await storedTrails(projectId);
    expect(dropped.length).toBeGreaterThan(0);
    expect(client.stats()).toMatchObject({ stored: stored.size, dropped: dropped.length, queued: 0 });
    expect(stored.size + dropped.length).toBe(TRAILS);
    expect(dropped.filter(({ id }) => stored.has(id))).toEqual([]);
  },
);

test(
  "events that are sent again and again are stored once, in both modes",
  { timeout: TEST_MS },
  async () => {
    const workspaceId = newId("ws");
    const ids: string[] = [];
    for (const mode of ["required", "buffered"]) {
      const { client, dropped } = stage.client({ mode, timeoutMs: TIMEOUT_MS, attempts: 50 });
      stage.server.fault = hazards(0.3);
      await restarting(
        stage.server,
        byMany(200, async (n) => {
          ids.push(await client.logAuditEvent(event(workspaceId, { resourceId: `r-${n}` })));
        }),
      );
      stage.server.fault = noFault;
      await client.flush();
      expect(dropped).toEqual([]);
    }
    const rows = await stage.api.db.rows<{ event_id: string }>(
      "app",
      "select event_id from audit_events where workspace_id = $1 and action_type = 'UPDATE_WORKSPACE'",
      [workspaceId],
    );
    expect(rows.map((row) => row.event_id).toSorted()).toEqual(ids.toSorted());
  },
);

test("an update that arrives late does not undo the one after it", async () => {
  const { client } = stage.client({ timeoutMs: TIMEOUT_MS });
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

test("two clients race on one trail: the last complete one wins, and no placeholder comes after it", async () => {
  const clients = [stage.client().client, stage.client().client] as const;
  const projectId = newId("proj");
  await byMany(40, async (n) => {
    const messageId = `msg-${n}`;
    const complete = (which: 0 | 1) =>
      clients[which].storeAuditTrail(trail(messageId, projectId, { reasoning: [`by ${which}`] }));
    const placeholder = (which: 0 | 1) =>
      clients[which].createPlaceholderAuditTrail({ messageId, projectId, model: "other", contextLayers: 0 });
    await Promise.all([placeholder(0), complete(1), placeholder(1), complete(0), placeholder(0)]);
    await complete(n % 2 === 0 ? 0 : 1);
    await placeholder(1);
  });
  const stored = await storedTrails(projectId);
  expect([...stored].map(([id, reasoning]) => [id, reasoning[0]])).toHaveLength(40);
  for (const [id, reasoning] of stored) {
    expect(reasoning).toEqual([`by ${Number(id.slice("msg-".length)) % 2 === 0 ? 0 : 1}`]);
  }
});
