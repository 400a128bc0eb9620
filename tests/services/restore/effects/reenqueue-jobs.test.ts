import { randomBytes } from "node:crypto";
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { WorkflowEvent } from "../../../../lib/inngest.ts";
import type { RestoreContext } from "../../../../services/restore/context.ts";
import { reenqueueJobs } from "../../../../services/restore/effects/reenqueue-jobs.ts";
import { startReceiver } from "./receiver.ts";
import { useEffects, type Item, type Tables } from "./support.ts";

const SECRET = `whsec_${randomBytes(32).toString("base64")}`;
vi.stubEnv("TEST_JOB_SECRET", SECRET);
vi.stubEnv("TEST_BAD_SECRET", "canary-secret");

const effects = useEffects();
const receiver = await startReceiver(SECRET);
const table = "public.venues";

beforeEach(() => {
  receiver.requests.length = 0;
  receiver.taken.clear();
  receiver.atOnceMax = 0;
  receiver.answer = () => 204;
});

/** An engine that takes each event id once, as Inngest does. */
function engine() {
  const one = {
    sends: [] as WorkflowEvent[][],
    events: new Map<string, WorkflowEvent>(),
    send: async (events: WorkflowEvent[]) => {
      one.sends.push(events);
      for (const event of events) one.events.set(event.id, event);
    },
  };
  return one;
}

type Jobs = NonNullable<Tables[string]["jobs"]>;
const context = (jobs: Jobs, more: Partial<RestoreContext> = {}) =>
  effects.context({ [table]: { jobs } }, more);
const post = (more: Partial<Extract<Jobs[number], { url: string }>> = {}) => ({
  url: `${receiver.url}/jobs`,
  secretEnv: "TEST_JOB_SECRET",
  data: { id: "{id}" },
  allowPrivate: true,
  ...more,
});

async function enqueueAll(ctx: RestoreContext, runId: string, repeat = 0, deadline?: number) {
  let [enqueued, calls] = [0, 0];
  for (let after: number | null = 0; after !== null; calls++) {
    const done = await reenqueueJobs(ctx, {
      runId,
      repeat,
      after,
      ...(deadline === undefined ? {} : { deadline }),
    });
    enqueued += done.enqueued;
    after = done.next;
    if (calls > 200) throw new Error("no end");
  }
  return { enqueued, calls };
}

describe("events", () => {
  const jobs: Jobs = [
    { event: "venue/changed", data: { venueId: "{id}", by: "restore of {name}", force: true, n: 3 } },
  ];

  test("one per applied row, with the row as it is now, or as it was where it is gone", async () => {
    const { send, events } = engine();
    const runId = await effects.run([
      { table, target: { id: 1, name: "a" } },
      { table, action: "update", live: { id: 2, name: "old" }, target: { id: 2, name: "new" } },
      { table, action: "delete", live: { id: 3, name: null } },
      { table, target: { id: 4 }, outcome: "skipped" },
    ]);
    expect(await enqueueAll(context(jobs, { send }), runId)).toEqual({ enqueued: 3, calls: 1 });
    expect([...events.values()].map(({ name, data }) => ({ name, ...data }))).toEqual([
      { name: "venue/changed", venueId: "1", by: "restore of a", force: true, n: 3 },
      { name: "venue/changed", venueId: "2", by: "restore of new", force: true, n: 3 },
      { name: "venue/changed", venueId: "3", by: null, force: true, n: 3 },
    ]);
    for (const id of events.keys()) expect(id).toMatch(/^job-[0-9a-f]{64}$/);
  });

  test("a key makes one of many rows, and two where a row moved from one to another", async () => {
    const { send, events } = engine();
    const rows = Array.from({ length: 2_500 }, (_, id): Item => ({ table, target: { id, owner: "o1" } }));
    const runId = await effects.run([
      ...rows,
      {
        table,
        action: "update",
        live: { id: 9, owner: "o2" },
        target: { id: 9, owner: "o3" },
        columns: ["owner"],
      },
      { table, target: { id: 10, owner: null } },
    ]);
    const keyed: Jobs = [{ event: "owner/changed", data: { owner: "{owner}" }, key: "{owner}" }];
    expect(await enqueueAll(context(keyed, { send }), runId)).toMatchObject({ enqueued: 4 });
    expect([...events.values()].map(({ data }) => data.owner)).toEqual(["o1", "o3", "o2", null]);
  });

  test("two tables with the same event and key share a job", async () => {
    const { send, events } = engine();
    const runId = await effects.run([
      { table, target: { owner: "o" } },
      { table: "public.singers", target: { owner: "o" } },
    ]);
    const jobs: Jobs = [{ event: "index/refresh", data: { owner: "{owner}" }, key: "{owner}" }];
    const ctx = effects.context({ [table]: { jobs }, "public.singers": { jobs } }, { send });
    expect(await enqueueAll(ctx, runId)).toMatchObject({ enqueued: 1 });
    expect(events.size).toBe(1);
  });

  test("go once though the call is repeated, two run at once, or one died before it noted", async () => {
    const once = engine();
    const runId = await effects.run([1, 2, 3].map((id) => ({ table, target: { id } })));
    const died = context(jobs, {
      send: async (events) => {
        await once.send(events);
        throw new Error("killed after the engine had them");
      },
    });
    await expect(reenqueueJobs(died, { runId, repeat: 0, after: 0 })).rejects.toThrow(/workflow engine/);
    expect(await effects.notes(runId, "enqueue")).toEqual([]);
    const ctx = context(jobs, { send: once.send });
    const both = await Promise.all([enqueueAll(ctx, runId), enqueueAll(ctx, runId)]);
    expect(both[0].enqueued + both[1].enqueued).toBe(3);
    expect(once.events.size).toBe(3);
    const sends = once.sends.length;
    expect(await enqueueAll(ctx, runId)).toMatchObject({ enqueued: 0 });
    expect(once.sends.length).toBe(sends);
    expect(await enqueueAll(ctx, runId, 1)).toMatchObject({ enqueued: 3 });
    expect(once.events.size).toBe(6);
  });

  test("are sent a hundred at once and 256 KiB at most, and the next call goes on", async () => {
    const { send, sends, events } = engine();
    const wide = "x".repeat(40_000);
    const items = Array.from({ length: 250 }, (_, id): Item => ({
      table,
      target: { id, name: id < 20 ? wide : "n" },
    }));
    const runId = await effects.run(items);
    expect(await enqueueAll(context(jobs, { send }), runId, 0, 0)).toEqual({ enqueued: 250, calls: 3 });
    expect(events.size).toBe(250);
    for (const some of sends) {
      expect(some.length).toBeLessThanOrEqual(100);
      expect(JSON.stringify(some).length).toBeLessThan(257 * 1_024);
    }
    expect(await effects.notes(runId, "enqueue")).toHaveLength(250);
  });
});

describe("posts", () => {
  test("are signed as Standard Webhooks, five at once at most, each with an id of its own", async () => {
    const runId = await effects.run(Array.from({ length: 23 }, (_, id) => ({ table, target: { id } })));
    expect(await enqueueAll(context([post()]), runId)).toMatchObject({ enqueued: 23 });
    expect(receiver.requests).toHaveLength(23);
    expect(receiver.taken.size).toBe(23);
    expect(receiver.atOnceMax).toBeLessThanOrEqual(5);
    expect(receiver.requests.map(({ data }) => Number(data?.id)).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 23 }, (_, id) => id),
    );
  });

  test("those that were taken do not go again when another was refused", async () => {
    const runId = await effects.run(Array.from({ length: 8 }, (_, id) => ({ table, target: { id } })));
    receiver.answer = ({ data }) => (data?.id === "3" ? 500 : 204);
    const failed = reenqueueJobs(context([post()]), { runId, repeat: 0, after: 0 });
    await expect(failed).rejects.toThrow(/^127\.0\.0\.1:\d+ did not take a job of a restore: HTTP 500/);
    expect(await effects.notes(runId, "enqueue")).toHaveLength(4);
    receiver.answer = () => 204;
    expect(await enqueueAll(context([post()]), runId)).toMatchObject({ enqueued: 4 });
    const times = (id: string) => receiver.requests.filter((one) => one.data?.id === id).length;
    expect([..."01234567"].map(times)).toEqual([1, 1, 1, 2, 1, 1, 1, 1]);
    expect(receiver.taken.size).toBe(8);
  });

  test("one that was taken and not noted goes again under the same id", async () => {
    const runId = await effects.run([{ table, target: { id: 1 } }]);
    await enqueueAll(context([post()]), runId);
    await effects.db.rows("superuser", "delete from audit.restore_effects where run_id = $1", [runId]);
    await enqueueAll(context([post()]), runId);
    expect(receiver.requests).toHaveLength(2);
    expect(receiver.taken.size).toBe(1);
  });

  test("do not go to a private address unless the configuration allows it", async () => {
    const runId = await effects.run([{ table, target: { id: 1 } }]);
    const url = receiver.url.replace("http:", "https:");
    const failed = reenqueueJobs(context([post({ url, allowPrivate: false })]), {
      runId,
      repeat: 0,
      after: 0,
    });
    await expect(failed).rejects.toThrow(/the address is private/);
    expect(receiver.requests).toHaveLength(0);
  });

  test.each(["TEST_BAD_SECRET", "TEST_UNSET_SECRET"])(
    "a secret that cannot sign is named and not quoted (%s)",
    async (secretEnv) => {
      const runId = await effects.run([{ table, target: { id: 1 } }]);
      const failed = reenqueueJobs(context([post({ secretEnv })]), { runId, repeat: 0, after: 0 });
      const error = await failed.catch((fault: Error) => fault);
      expect(String(error)).toContain(secretEnv);
      expect(String(error)).not.toContain("canary");
      expect(await effects.notes(runId, "enqueue")).toEqual([]);
    },
  );
});

test("without jobs nothing is looked at", async () => {
  const ctx = effects.context({ [table]: {} });
  expect(await reenqueueJobs(ctx, { runId: "no uuid", repeat: 0, after: 0 })).toEqual({
    enqueued: 0,
    next: null,
  });
});
