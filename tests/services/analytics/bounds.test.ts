import { expect, test } from "vitest";
import { sumTrails } from "../../../db/queries/trail-analytics.ts";
import { listTrailsBriefly } from "../../../db/queries/trails.ts";
import { newId, useApi } from "../../support/api.ts";
import { complete } from "../trails/support.ts";

const api = useApi();

async function projectOfModels(...models: string[]): Promise<string> {
  const projectId = newId("proj");
  for (const [i, model] of models.entries()) {
    const body = complete(projectId, {
      model,
      timestamp: `2026-01-0${1 + i}T10:00:00Z`,
      cost: { prompt: i, completion: 0 },
      reasoning: ["because"],
    });
    expect((await api.call("PUT", `/trails/${newId("msg")}`, { body })).status).toBe(201);
  }
  return projectId;
}

test("models beyond the most that are named are in the totals and in their days, the dearest are named", async () => {
  const projectId = await projectOfModels("cheap", "b", "a", "dear");
  const span = { projectId, zone: "UTC", from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z" };
  const summed = await sumTrails(api.runtime.app.db, span, 2);
  expect(summed.map(({ day, model, totalCost }) => [day, model, totalCost])).toEqual([
    [null, null, 6],
    [null, "dear", 3],
    [null, "a", 2],
    ["2026-01-01", null, 0],
    ["2026-01-02", null, 1],
    ["2026-01-03", null, 2],
    ["2026-01-04", null, 3],
  ]);
});

test("the newest trails are read without their reasoning", async () => {
  const projectId = await projectOfModels("m", "n");
  const [newest, ...others] = await listTrailsBriefly(api.runtime.app.db, { projectIds: [projectId] }, 1);
  expect(others).toEqual([]);
  expect(newest).toMatchObject({ model: "n", totalCost: 1 });
  expect(newest).not.toHaveProperty("reasoning");
});
