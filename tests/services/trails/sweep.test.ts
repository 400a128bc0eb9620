import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { WorkerContext } from "../../../services/context.ts";
import { workerContext } from "../../../services/runtime.ts";
import { deleteDueTrails } from "../../../services/trails/delete-due.ts";
import { deleteTrailsOfDeletedProjects } from "../../../services/trails/delete-of-deleted-projects.ts";
import { rollUpTrails } from "../../../services/trails/roll-up.ts";
import { withClient } from "../../db/helpers.ts";
import { newId, useApi } from "../../support/api.ts";
import { holdsOn } from "../../support/holds.ts";
import { complete, daysAgo, newTrail, placeholder } from "./support.ts";

const BATCH = 1_000;
const api = useApi();
let ctx: WorkerContext;
beforeAll(() => {
  ctx = workerContext(api.runtime);
});
// The worker sees all projects: each test begins with nothing left to do.
beforeEach(async () => {
  while ((await rollUpTrails(ctx, BATCH)) + (await deleteDueTrails(ctx, BATCH)) > 0);
});

const putMany = (projectId: string, count: number, timestamp: string) =>
  Promise.all(
    Array.from({ length: count }, (_, i) =>
      api.call("PUT", `/trails/m-${i}`, { body: complete(projectId, { timestamp }) }),
    ),
  );

const totals = (projectId: string) =>
  api.db.rows(
    "app",
    `select sum(message_count)::int as messages, trim_scale(sum(total_cost))::text as cost from audit_trail_rollup where project_id = $1`,
    [projectId],
  );

describe("clean-up", () => {
  test("a trail of 10 days ago is deleted, one of today stays", async () => {
    const [old, today] = [newTrail(api), newTrail(api)];
    await old.put(placeholder(old.projectId, { timestamp: daysAgo(10) }));
    // Not of this quarter of an hour, whose end would have it rolled up amid another test.
    await today.put(placeholder(today.projectId, { timestamp: daysAgo(0.1) }));
    await rollUpTrails(ctx, BATCH);
    expect(await deleteDueTrails(ctx, BATCH)).toBe(1);
    expect((await old.get()).status).toBe(404);
    expect((await today.get()).status).toBe(200);
  });

  test("what is not rolled up is not deleted, and its totals outlive it", async () => {
    const { put, projectId } = newTrail(api);
    await put(complete(projectId, { timestamp: daysAgo(10) }));
    expect(await deleteDueTrails(ctx, BATCH)).toBe(0);
    expect(await rollUpTrails(ctx, BATCH)).toBe(1);
    await put(complete(projectId, { timestamp: daysAgo(10), cost: { prompt: 1, completion: 1 } }));
    expect(await deleteDueTrails(ctx, BATCH)).toBe(0);
    await rollUpTrails(ctx, BATCH);
    expect(await deleteDueTrails(ctx, BATCH)).toBe(1);
    expect(await totals(projectId)).toEqual([{ messages: 1, cost: "2" }]);
  });

  test("leaves a trail that is held, by its message or its project, until the hold is released", async () => {
    const [held, ofHeld, free] = [newTrail(api), newTrail(api), newTrail(api)];
    for (const { put, projectId } of [held, ofHeld, free])
      await put(complete(projectId, { timestamp: daysAgo(10) }));
    await rollUpTrails(ctx, BATCH);
    const holds = holdsOn(api.db);
    await holds.place("trail", held.messageId);
    await holds.place("project", ofHeld.projectId);
    await deleteDueTrails(ctx, BATCH);
    const statuses = () => Promise.all([held, ofHeld, free].map(async ({ get }) => (await get()).status));
    expect(await statuses()).toEqual([200, 200, 404]);
    await holds.release();
    await deleteDueTrails(ctx, BATCH);
    expect(await statuses()).toEqual([404, 404, 404]);
  });

  test("each project keeps its trails for as many days as it says", async () => {
    const { put, get, projectId } = newTrail(api);
    const keep = (trailRetentionDays: number) =>
      api.call("PUT", `/projects/${projectId}/retention`, { body: { trailRetentionDays } });
    await keep(30);
    await put(complete(projectId, { timestamp: daysAgo(29.99) }));
    await rollUpTrails(ctx, BATCH);
    expect(await deleteDueTrails(ctx, BATCH)).toBe(0);
    await keep(29);
    expect(await deleteDueTrails(ctx, BATCH)).toBe(1);
    expect((await get()).status).toBe(404);
  });

  test("reads no trail that it keeps: neither what was imported yesterday nor what is not due yet", async () => {
    const projectId = newId("proj");
    await api.db.rows(
      "superuser",
      "insert into audit.projects (project_id, created_by_user_id) values ($1, 'u')",
      [projectId],
    );
    await api.db.rows(
      "superuser",
      `insert into audit.audit_trails
         (project_id, message_id, status, "timestamp", imported_at, model, context_layers, completed_at, rollup_due)
       select $1, 'm-' || n, 'complete', at, case n % 3 when 0 then now() - interval '1 day' when 1 then at end, 'm', 1, at, false
       from generate_series(1, 3000) n
       cross join lateral (
         select now() - case n % 3 when 0 then interval '90 days' when 1 then interval '10 days' else interval '1 day' end as at
       ) t`,
      [projectId],
    );
    await api.db.rows("superuser", "analyze audit.audit_trails");
    const readFor = (limit: number) =>
      withClient(api.db, "superuser", async (client) => {
        // So few rows are joined by scanning them.
        await client.query("begin; set local enable_seqscan = off; set local enable_hashjoin = off");
        const { rows } = await client.query("select audit.delete_due_trails($1) as deleted", [limit]);
        const read = await client.query(
          "select (seq_tup_read + idx_tup_fetch)::int as count from pg_stat_xact_user_tables where relid = 'audit.audit_trails'::regclass",
        );
        await client.query("commit");
        return { deleted: rows[0]?.deleted, read: read.rows[0]?.count };
      });
    const bounded = await readFor(100);
    expect(bounded.deleted).toBe(100);
    // Each is read when it is found and when it is deleted.
    expect(bounded.read).toBeLessThanOrEqual(300);
    expect(await readFor(1_000)).toMatchObject({ deleted: 900 });
    const idle = await readFor(1_000);
    expect(idle.deleted).toBe(0);
    expect(idle.read).toBeLessThanOrEqual(10);
    await api.db.rows("superuser", "delete from audit.audit_trails where project_id = $1", [projectId]);
  });

  test("goes on in bounded batches until nothing is due", async () => {
    const projectId = newId("proj");
    await putMany(projectId, 12, daysAgo(20));
    expect([await rollUpTrails(ctx, 8), await rollUpTrails(ctx, 8), await rollUpTrails(ctx, 8)]).toEqual([
      8, 4, 0,
    ]);
    expect([await deleteDueTrails(ctx, 5), await deleteDueTrails(ctx, 5)]).toEqual([5, 5]);
    expect([await deleteDueTrails(ctx, 5), await deleteDueTrails(ctx, 5)]).toEqual([2, 0]);
    expect(await totals(projectId)).toEqual([{ messages: 12, cost: "0.0126" }]);
  });

  test("a message that comes back after the clean-up is counted as a new one", async () => {
    const { put, projectId } = newTrail(api);
    const body = complete(projectId, { timestamp: daysAgo(10) });
    await put(body);
    await rollUpTrails(ctx, BATCH);
    await deleteDueTrails(ctx, BATCH);
    expect((await put(body)).status).toBe(201);
    await rollUpTrails(ctx, BATCH);
    expect(await totals(projectId)).toMatchObject([{ messages: 2 }]);
  });
});

describe("a deleted project", () => {
  test("is hidden, but stays with its trails while it is held, and with a trail that is", async () => {
    const [held, ofTrail] = [newId("proj"), newId("proj")];
    await putMany(held, 2, daysAgo(1));
    const kept = newId("m");
    await api.call("PUT", `/trails/${kept}`, { body: complete(ofTrail) });
    await api.call("PUT", `/trails/${newId("m")}`, { body: complete(ofTrail) });
    const holds = holdsOn(api.db);
    await holds.place("project", held);
    await holds.place("trail", kept);
    for (const id of [held, ofTrail]) await api.call("DELETE", `/projects/${id}`);
    expect((await api.call("GET", `/projects/${held}`)).status).toBe(404);
    const left = async () => {
      while ((await deleteTrailsOfDeletedProjects(ctx, BATCH)) > 0);
      return api.db.rows(
        "app",
        `select p.project_id as id, count(t.id)::int as trails from projects p left join audit_trails t using (project_id)
         where p.project_id = any ($1) group by 1 order by 2 desc`,
        [[held, ofTrail]],
      );
    };
    expect(await left()).toEqual([
      { id: held, trails: 2 },
      { id: ofTrail, trails: 1 },
    ]);
    await holds.release();
    expect(await left()).toEqual([]);
  });

  test("is swept in bounded batches, with its totals, and may be registered again", async () => {
    const projectId = newId("proj");
    const bystander = newTrail(api);
    await bystander.put(complete(bystander.projectId));
    await putMany(projectId, 7, daysAgo(1));
    await rollUpTrails(ctx, BATCH);
    expect((await api.call("DELETE", `/projects/${projectId}`)).body).toMatchObject({
      projectId,
      trailCount: 7,
    });
    const swept = [];
    for (let i = 0; i < 4; i++) swept.push(await deleteTrailsOfDeletedProjects(ctx, 3));
    expect(swept).toEqual([3, 3, 1, 0]);
    expect(await api.db.rows("app", "select from projects where project_id = $1", [projectId])).toEqual([]);
    expect(await totals(projectId)).toEqual([{ messages: null, cost: null }]);
    expect((await bystander.get()).status).toBe(200);
    expect((await api.call("PUT", "/trails/m-0", { body: placeholder(projectId) })).status).toBe(201);
  });
});
