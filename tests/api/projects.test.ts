import { describe, expect, test } from "vitest";
import type { Scope } from "../../services/keys/scopes.ts";
import { complete, newTrail, placeholder } from "../services/trails/support.ts";
import { newId, useApi } from "../support/api.ts";
import { holdsOn } from "../support/holds.ts";

const api = useApi();

const eventsOf = (projectId: string) =>
  api.db.rows(
    "app",
    `select action_type, created_by_user_id, resource_type, old_values, new_values, metadata
     from audit_events where resource_id = $1 order by created_at, id`,
    [projectId],
  );
const deletionsOf = (projectId: string) =>
  api.db.rows("app", "select * from audit_deletion_log where subject_id = $1", [projectId]);

const retain = (projectId: string, body: unknown, key?: string) =>
  api.call("PUT", `/projects/${projectId}/retention`, { body, ...(key ? { key } : {}) });

describe("GET /projects/:projectId", () => {
  test("a project is registered by its first trail, keeps trails for 7 days, and logs no event", async () => {
    const { put, projectId } = newTrail(api);
    expect((await api.call("GET", `/projects/${projectId}`)).status).toBe(404);
    const key = await api.mintKey({ userId: "user-first" });
    await put(placeholder(projectId), { key });
    await put(complete(projectId));
    const { status, body } = await api.call("GET", `/projects/${projectId}`);
    expect(status).toBe(200);
    expect(body).toEqual({
      projectId,
      trailRetentionDays: 7,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]{12}Z$/),
      createdByUserId: "user-first",
    });
    expect(await eventsOf(projectId)).toEqual([]);
  });
});

describe("PUT /projects/:projectId/retention", () => {
  test("changes the days and logs the old and the new value, once", async () => {
    const { put, projectId } = newTrail(api);
    await put(placeholder(projectId));
    const key = await api.mintKey({ userId: "user-keeper" });
    const changed = await retain(projectId, { trailRetentionDays: 30 }, key);
    await retain(projectId, { trailRetentionDays: 30 }, key);
    expect([changed.status, changed.body]).toEqual([200, { projectId, trailRetentionDays: 30 }]);
    expect((await api.call("GET", `/projects/${projectId}/retention`)).body).toEqual(changed.body);
    expect(await eventsOf(projectId)).toEqual([
      expect.objectContaining({
        action_type: "UPDATE_PROJECT_RETENTION",
        resource_type: "project",
        created_by_user_id: "user-keeper",
        old_values: { trailRetentionDays: 7 },
        new_values: { trailRetentionDays: 30 },
      }),
    ]);
  });

  test("registers an unknown project, and keeps its days when trails come", async () => {
    const { put, projectId } = newTrail(api);
    expect((await retain(projectId, { trailRetentionDays: 3650 })).status).toBe(200);
    await put(placeholder(projectId));
    expect((await api.call("GET", `/projects/${projectId}`)).body.trailRetentionDays).toBe(3650);
    expect(await eventsOf(projectId)).toMatchObject([
      { old_values: null, new_values: { trailRetentionDays: 3650 } },
    ]);
  });

  test.each([0, 3651, 1.5, "7", null, undefined])("%j days are a 400 that names the field", async (days) => {
    const projectId = newId("proj");
    const { status, body } = await retain(projectId, { trailRetentionDays: days });
    expect([status, body.errors[0].path]).toEqual([400, "body.trailRetentionDays"]);
    expect((await api.call("GET", `/projects/${projectId}`)).status).toBe(404);
  });

  test("an unknown field is a 400", async () => {
    const { status, body } = await retain(newId("proj"), { trailRetentionDays: 7, days: 7 });
    expect([status, body.errors[0].path]).toEqual([400, "body.days"]);
  });

  test("racing writers leave one value, and a log that leads to it", async () => {
    const projectId = newId("proj");
    const days = Array.from({ length: 10 }, (_, i) => i + 10);
    const answers = await Promise.all(days.map((one) => retain(projectId, { trailRetentionDays: one })));
    expect(answers.every((one) => one.status === 200)).toBe(true);
    const events = await eventsOf(projectId);
    const { body } = await api.call("GET", `/projects/${projectId}/retention`);
    const olds = new Set(events.map((one) => one.old_values?.trailRetentionDays));
    const last = events.filter((one) => !olds.has(one.new_values.trailRetentionDays));
    expect(events).toHaveLength(10);
    expect(last.map((one) => one.new_values)).toEqual([{ trailRetentionDays: body.trailRetentionDays }]);
  });
});

describe("DELETE /projects/:projectId", () => {
  test("is logged with counts and reason, and hides the project and its trails at once", async () => {
    const { put, patch, get, path, projectId } = newTrail(api);
    await put(complete(projectId));
    await api.call("PUT", "/trails/m-2", { body: placeholder(projectId) });
    const key = await api.mintKey({ userId: "user-cleaner" });
    const gone = await api.call("DELETE", `/projects/${projectId}?reason=Contract%20ended`, { key });
    expect([gone.status, gone.body]).toEqual([
      202,
      { projectId, trailCount: 2, isHeld: false, heldTrailCount: 0, runId: expect.any(String) },
    ]);
    expect(await deletionsOf(projectId)).toEqual([
      expect.objectContaining({
        subject_type: "project",
        deleted_by_user_id: "user-cleaner",
        deletion_reason: "Contract ended",
        details: expect.objectContaining({ trailCount: 2, rollupBucketCount: 0 }),
      }),
    ]);
    expect(await eventsOf(projectId)).toMatchObject([
      { action_type: "DELETE_PROJECT", metadata: { trailCount: 2, reason: "Contract ended" } },
    ]);
    const hidden = [
      await get(),
      await patch({ latencyMs: 1 }),
      await api.call("GET", `${path}?projectId=${projectId}`),
      await api.call("GET", `/projects/${projectId}`),
      await api.call("GET", `/projects/${projectId}/retention`),
      await api.call("DELETE", `/projects/${projectId}`),
    ];
    expect(hidden.map((one) => one.status)).toEqual([404, 404, 404, 404, 404, 404]);
    const list = await api.call("GET", `/trails?projectId=${projectId}&includeTotal=true`);
    expect(list.body).toEqual({ items: [], nextCursor: null, total: 0 });
    expect(await deletionsOf(projectId)).toHaveLength(1);
  });

  test("says what legal holds keep of it: a trail, or the project and all of its trails", async () => {
    const holds = holdsOn(api.db);
    const { put, projectId, messageId } = newTrail(api);
    const other = newTrail(api);
    for (const id of [projectId, other.projectId])
      await api.call("PUT", `/trails/${newId("msg")}`, { body: placeholder(id) });
    await put(placeholder(projectId));
    await holds.place("trail", messageId);
    await holds.place("project", other.projectId);
    const answers = [projectId, other.projectId].map((id) => api.call("DELETE", `/projects/${id}`));
    expect((await Promise.all(answers)).map(({ body }) => body)).toMatchObject([
      { trailCount: 2, isHeld: false, heldTrailCount: 1 },
      { trailCount: 1, isHeld: true, heldTrailCount: 1 },
    ]);
    expect(await deletionsOf(projectId)).toMatchObject([{ details: { trailCount: 2, heldTrailCount: 1 } }]);
    await holds.release();
  });

  test("what would write to it is a conflict that says so", async () => {
    const { put, projectId } = newTrail(api);
    await put(complete(projectId));
    await api.call("DELETE", `/projects/${projectId}`);
    for (const answer of [
      await put(placeholder(projectId)),
      await put(complete(projectId, { latencyMs: 1 })),
      await api.call("PUT", "/trails/m-new", { body: placeholder(projectId) }),
      await retain(projectId, { trailRetentionDays: 9 }),
    ]) {
      expect(answer.status).toBe(409);
      expect(answer.body.detail).toContain("is being deleted");
    }
  });

  test("of two at once, one deletes and one finds nothing", async () => {
    const { put, projectId } = newTrail(api);
    await put(placeholder(projectId));
    const both = await Promise.all([1, 2].map(() => api.call("DELETE", `/projects/${projectId}`)));
    expect(both.map((one) => one.status).toSorted()).toEqual([202, 404]);
    expect(await deletionsOf(projectId)).toHaveLength(1);
  });

  test("is not done when it cannot be logged", async () => {
    const { put, get, projectId } = newTrail(api);
    await put(placeholder(projectId));
    await api.db.asOwner(
      `alter table audit_deletion_log add constraint refuse check (subject_id <> '${projectId}') not valid`,
    );
    expect((await api.call("DELETE", `/projects/${projectId}`)).status).toBe(500);
    await api.db.asOwner("alter table audit_deletion_log drop constraint refuse");
    expect((await get()).status).toBe(200);
  });

  test.each(["reason=", "reason=%20", `reason=${"x".repeat(1_001)}`, "why=x"])(
    "?%s is a 400",
    async (query) => {
      const { put, get, projectId } = newTrail(api);
      await put(placeholder(projectId));
      expect((await api.call("DELETE", `/projects/${projectId}?${query}`)).status).toBe(400);
      expect((await get()).status).toBe(200);
    },
  );
});

const routes: [string, string, Scope, object?][] = [
  ["GET", "", "projects:read"],
  ["GET", "/retention", "projects:read"],
  ["PUT", "/retention", "projects:manage", { trailRetentionDays: 9 }],
  ["DELETE", "", "projects:manage"],
];

describe.each(routes)("%s /projects/:projectId%s", (method, route, scope, body) => {
  test("another tenant's project is a 404, and stays as it is", async () => {
    const { put, projectId } = newTrail(api);
    await put(placeholder(projectId));
    const key = await api.mintKey({ projects: [newId("proj")] });
    expect((await api.call(method, `/projects/${projectId}${route}`, { key, body })).status).toBe(404);
    expect((await api.call("GET", `/projects/${projectId}`)).body.trailRetentionDays).toBe(7);
  });

  test("a key that lacks the scope is refused", async () => {
    const { put, projectId } = newTrail(api);
    await put(placeholder(projectId));
    const readOnly: Scope = "projects:read";
    const key = await api.mintKey({
      scopes: scope === readOnly ? ["trails:read", "trails:write"] : [readOnly],
    });
    const answer = await api.call(method, `/projects/${projectId}${route}`, { key, body });
    expect([answer.status, answer.body.code]).toEqual([403, "forbidden"]);
  });

  test.each(["%00", "%20", "x".repeat(201)])("the project id %s is a 400", async (id) => {
    const answer = await api.call(method, `/projects/${id}${route}`, { body });
    expect([answer.status, answer.body.errors[0].path]).toEqual([400, "path.projectId"]);
  });
});
