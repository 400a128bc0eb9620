import { describe, expect, test } from "vitest";
import { complete, daysAgo, MODEL, newTrail, placeholder } from "../services/trails/support.ts";
import { newId, useApi } from "../support/api.ts";

const api = useApi();

describe("PUT /trails/:messageId", () => {
  test("a trail is stored and read back with its sums, money exact to the digit", async () => {
    const { put, get, projectId, messageId } = newTrail(api);
    const timestamp = "2026-01-02T03:04:05.678+02:00";
    const stored = await put(complete(projectId, { timestamp, reasoning: ["a", "ü"], latencyMs: 1234 }));
    expect(stored.status).toBe(201);
    const { status, body } = await get();
    expect(status).toBe(200);
    expect(body).toEqual(stored.body);
    expect(body).toEqual({
      messageId,
      projectId,
      status: "complete",
      timestamp: "2026-01-02T01:04:05.678Z",
      model: MODEL,
      reasoning: ["a", "ü"],
      contextLayers: 3,
      tokens: { prompt: 100, completion: 50, total: 150, cached: null, reasoning: null },
      cost: { prompt: 0.0003, completion: 0.00075, total: 0.00105 },
      latencyMs: 1234,
      digests: { prompt: null, context: null, policy: null },
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updatedAt: body.createdAt,
      completedAt: body.createdAt,
      importedAt: null,
    });
    const [row] = await api.db.rows("app", "select total_cost from audit_trails where message_id = $1", [
      messageId,
    ]);
    expect(row).toEqual({ total_cost: "0.00105" });
  });

  test("its location leads to it, whatever characters its ids have", async () => {
    const projectId = `${newId("proj")} ü/&?#%`;
    const path = `/trails/${encodeURIComponent("m/ä %25 ?x=1")}`;
    const stored = await api.call("PUT", path, { body: placeholder(projectId) });
    expect(stored.status).toBe(201);
    const location = (stored.headers.get("location") as string).replace("/api", "");
    expect((await api.call("GET", location)).body).toMatchObject({ projectId, messageId: "m/ä %25 ?x=1" });
  });

  test.each([
    ["nothing is known", {}, "placeholder"],
    [
      "all amounts are 0",
      { tokens: { prompt: 0, completion: 0 }, cost: { prompt: 0, completion: 0 } },
      "placeholder",
    ],
    ["there are tokens without a price", { tokens: { prompt: 1, completion: 0 }, cost: null }, "complete"],
    ["there is only a cost", { cost: { prompt: 0, completion: 1e-9 } }, "complete"],
    ["it is said to have failed", { status: "failed", tokens: { prompt: 9, completion: 0 } }, "failed"],
    [
      "it is said to be one in spite of amounts",
      { status: "placeholder", tokens: { prompt: 9, completion: 0 } },
      "placeholder",
    ],
  ])("when %s, the status follows", async (_, more, status) => {
    const { put, projectId } = newTrail(api);
    const { body } = await put(placeholder(projectId, more));
    expect(body).toMatchObject({ status, completedAt: status === "placeholder" ? null : body.createdAt });
  });

  test("a cost that is null or left out stays unpriced, never 0", async () => {
    const { put, get, projectId } = newTrail(api);
    await put(complete(projectId, { cost: null }));
    expect((await get()).body.cost).toBeNull();
  });

  test("totals that are given are kept, and money keeps its digits in sums of many", async () => {
    const { put, projectId } = newTrail(api);
    const tokens = { prompt: 1, completion: 2, total: 5, cached: 1, reasoning: 2 };
    const first = await put(
      placeholder(projectId, { tokens, cost: { prompt: 0.1, completion: 0.2, total: 0.25 } }),
    );
    expect(first.body).toMatchObject({ tokens, cost: { total: 0.25 } });
    const second = await put(placeholder(projectId, { tokens, cost: { prompt: 0.1, completion: 0.2 } }));
    expect(second.body.cost.total).toBe(0.3);
  });

  test("a placeholder becomes complete, and keeps the time at which it began", async () => {
    const { put, projectId } = newTrail(api);
    const first = await put(placeholder(projectId));
    const done = await put(complete(projectId));
    expect([first.status, done.status]).toEqual([201, 200]);
    const { timestamp, createdAt } = first.body;
    expect(done.body).toMatchObject({ status: "complete", timestamp, createdAt });
    expect(done.body.completedAt >= createdAt).toBe(true);
    expect((await put(complete(projectId, { timestamp: daysAgo(1) }))).body.timestamp < timestamp).toBe(true);
  });

  test.each(["complete", "failed"])(
    "a placeholder over a %s one answers with that one, unchanged",
    async (status) => {
      const { put, get, projectId } = newTrail(api);
      const first = await put(complete(projectId, { status }));
      const late = await put(placeholder(projectId, { model: "other", timestamp: daysAgo(3) }));
      expect(late.status).toBe(200);
      expect(late.body).toEqual(first.body);
      expect((await get()).body).toEqual(first.body);
    },
  );

  test("the last complete one wins; a failed one does not undo it", async () => {
    const { put, projectId } = newTrail(api);
    await put(placeholder(projectId, { status: "failed" }));
    const first = await put(complete(projectId));
    const last = await put(complete(projectId, { tokens: { prompt: 7, completion: 7 }, cost: null }));
    expect(first.body.status).toBe("complete");
    expect(last.body).toMatchObject({
      tokens: { total: 14 },
      cost: null,
      completedAt: first.body.completedAt,
    });
    const failed = await put(placeholder(projectId, { status: "failed" }));
    expect([failed.status, failed.body]).toEqual([200, last.body]);
  });

  test("the same PUT twice changes nothing, and any change is counted again", async () => {
    const { put, projectId, messageId } = newTrail(api);
    const row = async () => {
      const [one] = await api.db.rows(
        "app",
        "select xmin::text, updated_at, counted, rollup_due from audit_trails where message_id = $1",
        [messageId],
      );
      return one;
    };
    const first = await put(complete(projectId));
    await api.db.asOwner("update audit_trails set rollup_due = false, counted = '{}' where message_id = $1", [
      messageId,
    ]);
    const counted = await row();
    const again = await put(complete(projectId));
    expect([again.status, again.body]).toEqual([200, first.body]);
    expect(await row()).toEqual(counted);
    await put(complete(projectId, { latencyMs: 5 }));
    expect(await row()).toMatchObject({ counted: {}, rollup_due: true });
  });

  test("an Idempotency-Key is answered again as it was", async () => {
    const { put, projectId } = newTrail(api);
    const headers = { "idempotency-key": newId("k") };
    const first = await put(placeholder(projectId), { headers });
    await put(complete(projectId));
    const again = await put(placeholder(projectId), { headers });
    expect([first.status, again.status, again.body]).toEqual([201, 201, first.body]);
    expect((await put(complete(projectId), { headers })).status).toBe(422);
  });
});

describe("PATCH /trails/:messageId", () => {
  test("tokens and cost complete a placeholder; what is not named stays", async () => {
    const { put, patch, projectId } = newTrail(api);
    const before = await put(
      placeholder(projectId, { digests: { prompt: "p", context: "c" }, reasoning: ["x"] }),
    );
    const { tokens, cost } = complete(projectId) as unknown as { tokens: object; cost: object };
    const { status, body } = await patch({ tokens, cost, digests: { policy: "d" } });
    expect(status).toBe(200);
    expect(body).toEqual({
      ...before.body,
      status: "complete",
      tokens: { ...tokens, total: 150, cached: null, reasoning: null },
      cost: { ...cost, total: 0.00105 },
      digests: { prompt: "p", context: "c", policy: "d" },
      updatedAt: expect.any(String),
      completedAt: expect.any(String),
    });
  });

  test.each([
    ["reasoning", { reasoning: ["y"], latencyMs: 3 }, "placeholder"],
    ["tokens of 0", { tokens: { prompt: 0, completion: 0 } }, "placeholder"],
    ["tokens and no price", { tokens: { prompt: 5, completion: 0 }, cost: null }, "complete"],
    ["failed", { status: "failed", tokens: { prompt: 5, completion: 0 }, cost: null }, "failed"],
  ])("a placeholder that gets %s has the right status", async (_, patch, status) => {
    const trail = newTrail(api);
    await trail.put(placeholder(trail.projectId));
    expect((await trail.patch(patch)).body).toMatchObject({ status });
  });

  test.each([
    ["complete", "failed"],
    ["complete", "placeholder"],
    ["failed", "placeholder"],
  ])("a step back from %s to %s is refused and changes nothing", async (from, to) => {
    const { put, patch, get, projectId } = newTrail(api);
    const before = await put(complete(projectId, { status: from }));
    const { status, body } = await patch({ status: to, model: "other" });
    expect(status).toBe(409);
    expect(body.errors).toEqual([expect.objectContaining({ path: "body.status", code: "step_back" })]);
    expect((await get()).body).toEqual(before.body);
  });

  test("a failed trail may still be completed", async () => {
    const { put, patch, projectId } = newTrail(api);
    await put(placeholder(projectId, { status: "failed" }));
    expect((await patch({ status: "complete" })).body).toMatchObject({ status: "complete" });
  });

  test("a patch that changes nothing touches nothing; null clears", async () => {
    const { put, patch, projectId } = newTrail(api);
    const before = await put(complete(projectId, { reasoning: ["x"], latencyMs: 1 }));
    expect((await patch({ model: MODEL, reasoning: ["x"] })).body).toEqual(before.body);
    const cleared = await patch({ reasoning: null, cost: null, latencyMs: null });
    expect(cleared.body).toMatchObject({ reasoning: null, cost: null, latencyMs: null, status: "complete" });
  });

  test("a trail that is not there is a 404", async () => {
    expect((await newTrail(api).patch({ model: "m" })).status).toBe(404);
  });
});

describe("a message id that several projects use", () => {
  test("is one trail per project, and must be told apart by whoever sees several", async () => {
    const { put, path, projectId } = newTrail(api);
    const other = newId("proj");
    expect((await put(placeholder(projectId))).status).toBe(201);
    expect((await put(placeholder(other, { model: "other" }))).status).toBe(201);
    for (const [method, body] of [["GET"], ["PATCH", { latencyMs: 1 }]] as const) {
      const unnamed = await api.call(method, path, { body });
      expect(unnamed.status).toBe(409);
      expect(unnamed.body.detail).toContain("projectId");
      const named = await api.call(method, `${path}?projectId=${other}`, { body });
      expect([named.status, named.body.projectId]).toEqual([200, other]);
      const key = await api.mintKey({ projects: [projectId] });
      expect((await api.call(method, path, { body, key })).body.projectId).toBe(projectId);
    }
  });
});

test("one trail has an allowance of its own: pages of trails and evidence do not use it up", async () => {
  const { projectId, path, put, get } = newTrail(api);
  await put(placeholder(projectId));
  const classes: string[] = [];
  const { limiter } = api.runtime;
  api.runtime.limiter = { check: async (rateClass) => (classes.push(rateClass), null) };
  await get();
  await api.call("GET", `${path}/evidence`);
  await api.call("GET", "/trails");
  api.runtime.limiter = limiter;
  expect(classes).toEqual(["lookup", "read", "read"]);
});
