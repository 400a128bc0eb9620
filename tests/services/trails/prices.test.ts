import { sql } from "drizzle-orm";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { rows } from "../../../db/queries/rows.ts";
import { findUnpricedModels } from "../../../db/queries/trail-analytics.ts";
import type { WorkerContext } from "../../../services/context.ts";
import { workerContext } from "../../../services/runtime.ts";
import { rollUpTrails } from "../../../services/trails/roll-up.ts";
import { watchPrices } from "../../../services/trails/watch-prices.ts";
import { newId, useApi } from "../../support/api.ts";
import { complete, daysAgo, newTrail, placeholder } from "./support.ts";

const api = useApi();
let ctx: WorkerContext;
beforeAll(() => {
  ctx = workerContext(api.runtime);
});
beforeEach(() => api.db.rows("superuser", "truncate audit.projects cascade"));

const HOUR_MS = 3_600_000;
const ago = (hours: number) => new Date(Date.now() - hours * HOUR_MS).toISOString();
const watch = async () => {
  while ((await rollUpTrails(ctx, 1_000)) > 0);
  return watchPrices(ctx);
};
const alertOf = async (model: string) => {
  const { body } = await api.call("GET", "/alerts?code=model.unpriced&limit=1000");
  return body.items.find((one: { subject: string }) => one.subject === model);
};
/** A complete trail without a price unless told otherwise. */
async function answered(model: string, more: object = {}) {
  const trail = newTrail(api);
  await trail.put(complete(trail.projectId, { model, cost: null, timestamp: ago(2), ...more }));
  return trail;
}

describe("a model without a price", () => {
  test("raises one alert that names it, its messages and their projects", async () => {
    const model = newId("model");
    const trails = [await answered(model), await answered(model)];
    expect(await watch()).toEqual({ unpricedModels: 1 });
    const alert = await alertOf(model);
    expect(alert).toMatchObject({
      severity: "warning",
      status: "open",
      raiseCount: 1,
      details: { messageCount: 2 },
    });
    expect(alert.details.projectIds.toSorted()).toEqual(trails.map(({ projectId }) => projectId).toSorted());
    expect(alert.message).toContain(model);
    await watch();
    expect(await alertOf(model)).toMatchObject({ id: alert.id, raiseCount: 2 });
    expect(api.logs.join("\n")).not.toContain(model);
  });

  test("has its alert closed by the next priced answer, or when the price is added", async () => {
    const [later, patched] = [newId("model"), newId("model")];
    const { projectId } = await answered(later);
    const { patch } = await answered(patched);
    expect(await watch()).toEqual({ unpricedModels: 2 });
    const body = complete(projectId, { model: later, timestamp: ago(1) });
    await api.call("PUT", `/trails/${newId("msg")}`, { body });
    await patch({ cost: { prompt: 0, completion: 0 } });
    expect(await watch()).toEqual({ unpricedModels: 0 });
    for (const model of [later, patched]) expect(await alertOf(model)).toMatchObject({ status: "resolved" });
  });

  test("is told of while one project prices it and another does not", async () => {
    const model = newId("model");
    const { projectId } = await answered(model);
    await answered(model, { cost: { prompt: 1, completion: 1 }, timestamp: ago(1) });
    await watch();
    expect((await alertOf(model)).details).toEqual({
      messageCount: 1,
      projectIds: [projectId],
      modelCount: 1,
    });
  });

  test("is one of ten with an alert, however many there are, until one of them has a price", async () => {
    const names = Array.from({ length: 14 }, (_, i) => `m-${String(i).padStart(2, "0")}`);
    const { projectId } = await answered(names[3] as string);
    for (const model of names.slice(4)) await answered(model);
    const open = async () => {
      const { body } = await api.call("GET", "/alerts?code=model.unpriced&status=open&limit=1000");
      return body.items.map(({ subject }: { subject: string }) => subject).toSorted();
    };
    expect(await watch()).toEqual({ unpricedModels: 11 });
    expect(await open()).toEqual(names.slice(3, 13));
    expect((await alertOf("m-04")).message).toContain("In all, 11 models have no cost.");
    // Those that come before them by name take no place from the ones that were told of.
    for (const model of names.slice(0, 3)) await answered(model);
    expect(await watch()).toEqual({ unpricedModels: 14 });
    expect(await open()).toEqual(names.slice(3, 13));
    expect(await alertOf("m-12")).toMatchObject({ raiseCount: 2 });
    const body = complete(projectId, { model: "m-03", timestamp: ago(1) });
    await api.call("PUT", `/trails/${newId("msg")}`, { body });
    expect(await watch()).toEqual({ unpricedModels: 13 });
    expect(await open()).toEqual(["m-00", ...names.slice(4, 13)]);
  });

  test("is looked for among the newest totals, however many older ones there are", async () => {
    const model = newId("model");
    const { projectId } = await answered(model);
    await watch();
    await api.db.rows(
      "superuser",
      `insert into audit.audit_trail_rollup (project_id, bucket_start, model, message_count, complete_count, unpriced_count)
       select $1, date_bin('15 minutes', now(), '2000-01-01 00:00:00+00') - n * interval '15 minutes', 'old', 1, 1, 1
       from generate_series(400, 4400) n`,
      [projectId],
    );
    await api.db.rows("superuser", "analyze audit.audit_trail_rollup");
    const rowsRead = await ctx.db.transaction(async (tx) => {
      // Counts of transactions before this one may be among them.
      const read = async () => {
        const [table] = await rows<{ read: number }>(
          tx,
          sql`
          select (seq_tup_read + idx_tup_fetch)::int as read
          from pg_stat_xact_user_tables where relid = 'audit.audit_trail_rollup'::regclass`,
        );
        return table?.read ?? 0;
      };
      const before = await read();
      const found = await findUnpricedModels(tx, { hours: 24, first: [], limit: 10 });
      expect(found).toMatchObject({ modelCount: 1, models: [{ model }] });
      return (await read()) - before;
    });
    expect(rowsRead).toBeGreaterThan(0);
    expect(rowsRead).toBeLessThanOrEqual(10);
  });

  test("raises none when its answers are older than a day, not complete, free, or of a deleted project", async () => {
    await answered("old", { timestamp: daysAgo(2) });
    await answered("free", { cost: { prompt: 0, completion: 0 } });
    await answered("failed", { status: "failed" });
    const waiting = newTrail(api);
    await waiting.put(placeholder(waiting.projectId, { timestamp: ago(2) }));
    const { projectId } = await answered("deleted");
    await api.call("DELETE", `/projects/${projectId}`);
    expect(await watch()).toEqual({ unpricedModels: 0 });
  });
});
