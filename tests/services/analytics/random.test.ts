import { beforeAll, expect, test } from "vitest";
import { randomFrom } from "../../../bench/support/statistics.ts";
import type { WorkerContext } from "../../../services/context.ts";
import { workerContext } from "../../../services/runtime.ts";
import { deleteDueTrails } from "../../../services/trails/delete-due.ts";
import { rollUpTrails } from "../../../services/trails/roll-up.ts";
import { newId, useApi } from "../../support/api.ts";
import { dayIn, sumOf, sumsBy, type Expected, type Written } from "./oracle.ts";

const api = useApi();
let ctx: WorkerContext;
beforeAll(() => {
  ctx = workerContext(api.runtime);
});

const SEEDS = [1, 2, 3, 4];
const STEPS = 150;
const MESSAGES = 40;
const DAYS_BACK = 30;
const BATCH = 1_000;
const ZONES = [
  "UTC",
  "Asia/Kathmandu",
  "Asia/Kolkata",
  "Australia/Lord_Howe",
  "America/St_Johns",
  "Pacific/Chatham",
  "Pacific/Kiritimati",
  "Pacific/Pago_Pago",
  "Europe/Berlin",
];
const MODELS = ["a", "b", "=c"];

interface Sums extends Omit<Expected, "unpricedCount"> {
  unpricedCount?: number;
}

const rounded = ({ averageCost, ...sums }: Sums) => ({
  ...sums,
  averageCost: averageCost === null ? null : Number(averageCost.toPrecision(12)),
});

/** Writes, completes, changes, moves, rolls up and cleans up by chance; what was written is what is counted, once. */
test.each(SEEDS)(
  "whatever happens in whatever order, the figures are those of what was written (seed %i)",
  async (seed) => {
    const random = randomFrom(seed);
    const below = (n: number) => Math.floor(random() * n);
    const pick = <T>(list: readonly T[]) => list[below(list.length)] as T;
    const projectId = newId("proj");
    const kept = new Map<string, Written>();
    const gone: Written[] = [];
    let next = 0;

    const randomTime = () => new Date(Date.now() - below(DAYS_BACK * 86_400_000));
    const randomTrail = (at: Date): Written => {
      const status = pick(["placeholder", "complete", "complete", "failed"] as const);
      const isEmpty = status === "placeholder";
      return {
        at,
        model: pick(MODELS),
        status,
        tokens: isEmpty ? 0 : below(5_000),
        micros: isEmpty || random() < 0.3 ? null : below(90_000),
      };
    };
    const put = async (messageId: string, { at, model, status, tokens, micros }: Written) => {
      const cost = micros === null ? null : { prompt: micros / 1e6, completion: 0 };
      const body = {
        projectId,
        model,
        status,
        contextLayers: 1,
        timestamp: at.toISOString(),
        tokens: status === "placeholder" ? null : { prompt: tokens, completion: 0 },
        cost,
      };
      expect((await api.call("PUT", `/trails/${messageId}`, { body })).status).toBeLessThan(300);
    };
    const rank = { placeholder: 0, failed: 1, complete: 2 };

    const steps: Record<string, () => Promise<void>> = {
      write: async () => {
        const messageId = kept.size < MESSAGES ? `${projectId}-${next++}` : pick([...kept.keys()]);
        const before = kept.get(messageId);
        // Most are of the last days; those far back are cleaned up next.
        const at =
          before && random() < 0.7
            ? before.at
            : random() < 0.5
              ? new Date(Date.now() - below(7_200_000))
              : randomTime();
        const trail = randomTrail(at);
        await put(messageId, trail);
        if (!before || rank[trail.status] >= rank[before.status]) kept.set(messageId, trail);
      },
      rollUp: async () => void (await rollUpTrails(ctx, 1 + below(30))),
      cleanUp: async () => {
        await deleteDueTrails(ctx, 1 + below(30));
        const { body } = await api.call("GET", `/trails?projectId=${projectId}&limit=1000`);
        const still = new Set(body.items.map((one: { messageId: string }) => one.messageId));
        for (const [messageId, trail] of kept) {
          if (still.has(messageId)) continue;
          gone.push(trail);
          kept.delete(messageId);
        }
      },
      compare: async () => {
        const zone = pick(ZONES);
        const day = dayIn(zone);
        const [from, to] = [randomTime(), new Date(Date.now() + 2 * 86_400_000)].map(day) as [string, string];
        const inRange = [...kept.values(), ...gone].filter(({ at }) => day(at) >= from && day(at) < to);
        const { status, body } = await api.call(
          "GET",
          `/projects/${projectId}/analytics?from=${from}&to=${to}&tz=${zone}`,
        );
        expect(status).toBe(200);
        const { costByDay, costByModel, recentTrails, ...totals } = body.analytics;
        const { unpricedCount: _, ...expected } = sumOf(inRange);
        expect([zone, rounded(totals)]).toEqual([zone, rounded(expected)]);
        const entries = (list: Sums[], name: "day" | "model") =>
          new Map(
            list.map((one) => {
              const { [name]: key, ...sums } = one as Sums & Record<typeof name, string>;
              return [key, rounded(sums)];
            }),
          );
        const wanted = (sums: Map<string, Expected>) =>
          new Map([...sums].map(([name, one]) => [name, rounded(one)]));
        expect(entries(costByDay, "day")).toEqual(wanted(sumsBy(inRange, ({ at }) => day(at))));
        expect(entries(costByModel, "model")).toEqual(wanted(sumsBy(inRange, ({ model }) => model)));
        const times = [...kept.values()]
          .filter(({ at }) => day(at) >= from)
          .map(({ at }) => at.toISOString());
        expect(recentTrails.map(({ timestamp }: { timestamp: string }) => timestamp)).toEqual(
          times.toSorted().toReversed().slice(0, 10),
        );
      },
    };
    await steps.write?.();
    const odds = ["write", "write", "write", "write", "rollUp", "rollUp", "cleanUp", "compare"];
    for (let i = 0; i < STEPS; i++) await steps[pick(odds)]?.();
    while ((await rollUpTrails(ctx, BATCH)) + (await deleteDueTrails(ctx, BATCH)) > 0);
    await steps.cleanUp?.();
    await steps.compare?.();
    expect(gone.length).toBeGreaterThan(0);
  },
  60_000,
);
