import { describe, expect, test } from "vitest";
import { workerContext } from "../../services/runtime.ts";
import { deleteDueTrails } from "../../services/trails/delete-due.ts";
import { rollUpTrails } from "../../services/trails/roll-up.ts";
import { complete, daysAgo, placeholder } from "../services/trails/support.ts";
import { parseCsv } from "../support/csv.ts";
import { newId, useApi } from "../support/api.ts";

const api = useApi();
const rollUp = () => rollUpTrails(workerContext(api.runtime), 1_000);

/** A project with trails of which each says what is not as usual. */
async function projectOf(...trails: object[]) {
  const projectId = newId("proj");
  for (const [i, more] of trails.entries()) {
    const body = complete(projectId, more);
    expect((await api.call("PUT", `/trails/${projectId}-${i}`, { body })).status).toBe(201);
  }
  const ask = (query = "", key?: string) =>
    api.call("GET", `/projects/${projectId}/analytics${query}`, key === undefined ? {} : { key });
  return { projectId, ask };
}

const dollars = (prompt: number) => ({
  cost: { prompt, completion: 0 },
  tokens: { prompt: 10, completion: 5 },
});

describe("GET /projects/:projectId/analytics", () => {
  test("has the keys of the chat application's own route, on its path as well", async () => {
    // Of one day, also where midnight comes between them.
    const timestamp = daysAgo(0.1);
    const { projectId, ask } = await projectOf(
      { ...dollars(0.1), timestamp },
      { ...dollars(0.2), timestamp },
      { ...dollars(0.3), timestamp, model: "dear" },
    );
    const { status, body } = await ask();
    expect(status).toBe(200);
    const sums = { totalCost: 0.6, totalTokens: 45, averageCost: 0.2, messageCount: 3 };
    expect(body.analytics).toEqual({
      ...sums,
      costByDay: [{ day: timestamp.slice(0, 10), ...sums, unpricedCount: 0 }],
      costByModel: [
        expect.objectContaining({ model: "claude-3-7-sonnet-20250219", totalCost: 0.3, messageCount: 2 }),
        expect.objectContaining({ model: "dear", totalCost: 0.3, averageCost: 0.3, messageCount: 1 }),
      ],
      recentTrails: expect.any(Array),
    });
    expect((await api.call("GET", `/projects/${projectId}/assessment/analytics`)).body).toEqual(body);
  });

  test("shows the ten newest trails, without their reasoning", async () => {
    const { projectId, ask } = await projectOf(
      ...Array.from({ length: 12 }, (_, i) => ({ timestamp: daysAgo(i / 24), reasoning: ["because"] })),
    );
    const { recentTrails } = (await ask()).body.analytics;
    expect(recentTrails.map(({ messageId }: { messageId: string }) => messageId)).toEqual(
      Array.from({ length: 10 }, (_, i) => `${projectId}-${i}`),
    );
    expect(recentTrails[0]).not.toHaveProperty("reasoning");
    expect(recentTrails[0]).toMatchObject({ tokens: { total: 150 }, cost: { total: 0.00105 } });
  });

  test("never takes an unpriced message for a free one", async () => {
    const { ask } = await projectOf(
      dollars(0.4),
      { cost: null, model: "unknown" },
      { cost: null, model: "unknown" },
    );
    const { totalCost, averageCost, messageCount, costByModel } = (await ask()).body.analytics;
    expect({ totalCost, averageCost, messageCount }).toEqual({
      totalCost: 0.4,
      averageCost: 0.4,
      messageCount: 3,
    });
    expect(costByModel.find(({ model }: { model: string }) => model === "unknown")).toMatchObject({
      totalCost: null,
      averageCost: null,
      messageCount: 2,
      unpricedCount: 2,
    });
    const free = (await (await projectOf(dollars(0))).ask()).body.analytics;
    expect([free.totalCost, free.averageCost]).toEqual([0, 0]);
  });

  test("leaves unpriced messages out of the average, but not what is still open or has failed", async () => {
    const { ask } = await projectOf(
      dollars(0.4),
      { cost: null },
      { status: "placeholder", cost: null, tokens: null },
      { status: "failed", ...dollars(0.2) },
    );
    const { totalCost, averageCost, messageCount } = (await ask()).body.analytics;
    expect([totalCost, averageCost, messageCount]).toEqual([0.6, 0.2, 4]);
  });

  test("of a project without messages is nothing, and money is added exactly", async () => {
    const empty = await projectOf({ timestamp: daysAgo(200) });
    expect((await empty.ask()).body.analytics).toEqual({
      totalCost: 0,
      totalTokens: 0,
      averageCost: 0,
      messageCount: 0,
      costByDay: [],
      costByModel: [],
      recentTrails: [],
    });
    const { ask } = await projectOf(...Array.from({ length: 10 }, () => dollars(0.1)));
    expect((await ask()).body.analytics.totalCost).toBe(1);
  });

  test("counts what was cleaned up, and what completed after it was rolled up", async () => {
    const { projectId, ask } = await projectOf({ ...dollars(1), timestamp: daysAgo(10) });
    const late = { timestamp: daysAgo(1) };
    await api.call("PUT", "/trails/late", { body: placeholder(projectId, late) });
    await rollUp();
    expect(await deleteDueTrails(workerContext(api.runtime), 100)).toBeGreaterThan(0);
    const both = async () => {
      const { totalCost, messageCount, recentTrails } = (await ask()).body.analytics;
      return [totalCost, messageCount, recentTrails.length];
    };
    expect(await both()).toEqual([1, 2, 1]);
    await api.call("PATCH", "/trails/late", { body: dollars(0.5) });
    expect(await both()).toEqual([1.5, 2, 1]);
    await rollUp();
    expect(await both()).toEqual([1.5, 2, 1]);
  });

  test("takes a range of days of a zone or of moments, of which the last does not count", async () => {
    const { ask } = await projectOf(
      { timestamp: "2026-01-01T18:14:59Z" },
      { timestamp: "2026-01-01T18:15:00Z" },
      { timestamp: "2026-01-02T18:15:00Z" },
    );
    const count = async (query: string) => (await ask(query)).body.analytics.messageCount;
    expect(await count("?from=2026-01-02&to=2026-01-03&tz=Asia/Kathmandu")).toBe(1);
    expect(await count("?from=2026-01-01&to=2026-01-03&tz=Asia/Kathmandu")).toBe(2);
    expect(await count("?from=2026-01-01&to=2026-01-02")).toBe(2);
    expect(await count("?from=2026-01-01T18:15:00Z&to=2026-01-02T18:15:00Z")).toBe(1);
    expect(await count("?to=2026-01-31")).toBe(3);
    expect(await count("?to=2026-02-02")).toBe(0);
  });

  test.each([
    ["tz=Mars/Olympus", "tz"],
    ["tz=CET", "tz"],
    ["tz=%2B05:45", "tz"],
    ["tz=", "tz"],
    [`tz=A/${"a".repeat(100)}`, "tz"],
    ["from=2026-02-30", "from"],
    ["from=0000-01-01", "from"],
    ["from=yesterday", "from"],
    ["from=2026-01-01T00:07:00Z", "from"],
    ["from=2026-01-01T00:00:00", "from"],
    ["from=2026-01-02&to=2026-01-01", "to"],
    ["from=2026-01-01&to=2026-01-01", "to"],
    ["from=2020-01-01&to=2026-01-01", "from"],
    ["days=7", "days"],
  ])("with ?%s is a 400 that says so", async (query, field) => {
    const { ask } = await projectOf({});
    const { status, body } = await ask(`?${query}`);
    expect([status, body.errors[0].path]).toEqual([400, `query.${field}`]);
  });

  test("is a 404 for another tenant's project, an unknown and a deleted one, and needs trails:read", async () => {
    const { projectId, ask } = await projectOf({});
    expect((await ask("", await api.mintKey({ projects: [newId("proj")] }))).status).toBe(404);
    expect((await ask("", await api.mintKey({ scopes: ["projects:read"] }))).status).toBe(403);
    expect(
      (await ask("", await api.mintKey({ scopes: ["trails:read"], projects: [projectId] }))).status,
    ).toBe(200);
    expect((await api.call("GET", `/projects/${newId("proj")}/analytics`)).status).toBe(404);
    await api.call("DELETE", `/projects/${projectId}`);
    expect((await ask()).status).toBe(404);
  });
});

describe("GET /projects/:projectId/analytics/export", () => {
  test("is a line for each day and model, money with all its digits and no formula", async () => {
    const tokens = { prompt: 100, completion: 50, total: 170, cached: 40, reasoning: 20 };
    const { projectId } = await projectOf(
      { timestamp: "2026-01-01T10:00:00Z", cost: { prompt: 0.000000000001, completion: 0.1 }, tokens },
      { timestamp: "2026-01-02T10:00:00Z", model: "=cmd()", cost: null },
      { timestamp: "2026-01-02T10:00:00Z", status: "failed" },
    );
    await rollUp();
    const path = `/projects/${projectId}/analytics/export?format=csv&from=2026-01-01&to=2026-01-03`;
    const { status, headers, body } = await api.call("GET", path);
    expect([status, headers.get("content-type")]).toEqual([200, "text/csv; charset=utf-8"]);
    const lines = parseCsv(body);
    expect(Object.keys(lines[0] ?? {}).join()).toBe(
      "day,model,messageCount,completeCount,failedCount,unpricedCount,promptTokens,completionTokens,totalTokens,cachedTokens,reasoningTokens,promptCost,completionCost,totalCost",
    );
    expect(lines.map((line) => Object.values(line).join())).toEqual([
      "2026-01-01,claude-3-7-sonnet-20250219,1,1,0,0,100,50,170,40,20,0.000000000001,0.1,0.100000000001",
      "2026-01-02,'=cmd(),1,1,0,1,100,50,150,0,0,,,",
      "2026-01-02,claude-3-7-sonnet-20250219,1,0,1,0,100,50,150,0,0,0.0003,0.00075,0.00105",
    ]);
  });

  test("is refused as the figures are, and without its format", async () => {
    const { projectId } = await projectOf({});
    const path = `/projects/${projectId}/analytics/export`;
    expect((await api.call("GET", path)).body.errors[0].path).toBe("query.format");
    expect((await api.call("GET", `${path}?format=csv&tz=Nowhere`)).status).toBe(400);
    const key = await api.mintKey({ projects: [newId("proj")] });
    expect((await api.call("GET", `${path}?format=csv`, { key })).status).toBe(404);
  });
});
