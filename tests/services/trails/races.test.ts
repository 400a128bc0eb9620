import { afterEach, describe, expect, test, vi } from "vitest";
import { deleteDueTrails } from "../../../services/trails/delete-due.ts";
import { deleteTrailsOfDeletedProjects } from "../../../services/trails/delete-of-deleted-projects.ts";
import { rollUpTrails } from "../../../services/trails/roll-up.ts";
import { workerContext } from "../../../services/runtime.ts";
import { newId, useApi } from "../../support/api.ts";
import { holdsOn } from "../../support/holds.ts";
import { waitingFor } from "../../support/waits.ts";
import { complete, daysAgo, newTrail, placeholder } from "./support.ts";

const BATCH = 1_000;
const api = useApi();
const ROUNDS = 40;

const rowsOf = (messageId: string) =>
  api.db.rows("app", "select status, total_tokens from audit_trails where message_id = $1", [messageId]);

const amounts = (prompt: number) => ({
  tokens: { prompt, completion: 0 },
  cost: { prompt, completion: 0 },
});

describe("writers that race for one message", () => {
  test("a placeholder never ends up over a complete trail, and one of them is the first", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { put, projectId, messageId } = newTrail(api);
      const bodies = [
        placeholder(projectId),
        complete(projectId),
        placeholder(projectId),
        placeholder(projectId),
      ];
      if (round % 2) bodies.reverse();
      const answers = await Promise.all(bodies.map((body) => put(body)));
      expect(answers.map((one) => one.status).toSorted()).toEqual([200, 200, 200, 201]);
      expect(await rowsOf(messageId)).toEqual([{ status: "complete", total_tokens: 150 }]);
    }
  });

  test("two complete ones leave one row, wholly of one of them", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { put, get, projectId, messageId } = newTrail(api);
      if (round % 2) await put(placeholder(projectId));
      const answers = await Promise.all([1, 2, 3].map((prompt) => put(complete(projectId, amounts(prompt)))));
      expect(answers.filter((one) => one.status === 201)).toHaveLength(round % 2 ? 0 : 1);
      expect(await rowsOf(messageId)).toHaveLength(1);
      const { body } = await get();
      expect(body.cost.total).toBe(body.tokens.total);
      expect(answers.map((one) => one.body)).toContainEqual(body);
    }
  });

  test("of complete ones the last wins, be it a PUT or a PATCH", async () => {
    for (let round = 0; round < ROUNDS / 2; round++) {
      const { put, patch, get, projectId } = newTrail(api);
      await put(round % 2 ? complete(projectId) : placeholder(projectId));
      const writes = [1, 2, 3].flatMap((n) => [
        put(complete(projectId, amounts(n))),
        patch({ ...amounts(n + 10), status: "complete" }),
      ]);
      const answers = (await Promise.all(writes)).map(({ body }) => body);
      const last = answers.toSorted((a, b) => a.updatedAt.localeCompare(b.updatedAt)).at(-1);
      const { body } = await get();
      expect(answers).toContainEqual(body);
      expect(body.updatedAt).toBe(last.updatedAt);
    }
  });

  test("one that waits for another sees what that one left: a placeholder gives way, a complete one wins", async () => {
    for (const [late, total] of [
      [{}, 5],
      [{ ...amounts(9), status: "complete" }, 9],
    ] as const) {
      const { put, get, projectId, messageId } = newTrail(api);
      await put(placeholder(projectId));
      const client = await api.db.pool("app").connect();
      try {
        await client.query("begin");
        await client.query(
          `update audit_trails set status = 'complete', prompt_tokens = 5, completion_tokens = 0, total_tokens = 5,
             completed_at = clock_timestamp(), updated_at = clock_timestamp()
           where message_id = $1`,
          [messageId],
        );
        const waiting = put(placeholder(projectId, late));
        await vi.waitFor(async () => expect(await waitingFor(api.db)).toHaveLength(1), 10_000);
        await client.query("commit");
        expect((await waiting).body).toMatchObject({ status: "complete", tokens: { total } });
      } finally {
        client.release();
      }
      expect((await get()).body).toMatchObject({ status: "complete", tokens: { total } });
    }
  });

  test("a PATCH that completes survives late placeholders, and all of its fields do", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { put, patch, get, projectId } = newTrail(api);
      await put(placeholder(projectId));
      const late = placeholder(projectId, { model: "late", latencyMs: round });
      const [, patched] = await Promise.all([put(late), patch(amounts(9)), put(late)]);
      expect(patched.status).toBe(200);
      expect((await get()).body).toMatchObject({
        status: "complete",
        tokens: { total: 9 },
        cost: { total: 9 },
      });
    }
  });

  test("requests with one Idempotency-Key store once and answer alike", async () => {
    const { put, projectId, messageId } = newTrail(api);
    const headers = { "idempotency-key": newId("k") };
    const answers = await Promise.all(Array.from({ length: 8 }, () => put(complete(projectId), { headers })));
    const done = answers.filter((one) => one.status === 201);
    expect(answers.every((one) => [201, 409].includes(one.status))).toBe(true);
    for (const one of done) expect(one.body).toEqual(done[0]?.body);
    expect(await rowsOf(messageId)).toHaveLength(1);
  });
});

describe("a project that is deleted while it is written to", () => {
  test("has no trail to see once the deletion has answered, and no write fails otherwise", async () => {
    for (let round = 0; round < ROUNDS / 4; round++) {
      const { put, projectId } = newTrail(api);
      await put(placeholder(projectId));
      const writes = Array.from({ length: 12 }, (_, i) =>
        api.call("PUT", `/trails/m-${i}`, { body: complete(projectId) }),
      );
      const deletion = await api.call("DELETE", `/projects/${projectId}`);
      const found = await api.call("GET", `/trails?projectId=${projectId}`);
      const statuses = (await Promise.all(writes)).map((one) => one.status);
      expect([deletion.status, found.body.items]).toEqual([202, []]);
      expect(statuses.filter((one) => one !== 201 && one !== 409)).toEqual([]);
      expect((await put(complete(projectId))).status).toBe(409);
    }
  });
});

describe("the roll-up beside writers", () => {
  test("counts each change once: the totals are those of the trails", async () => {
    const projectId = newId("proj");
    const timestamp = new Date(Date.now() - 3_600_000).toISOString();
    let writing = true;
    const worker = (async () => {
      while (writing) await rollUpTrails(workerContext(api.runtime), 7);
    })();
    for (let round = 1; round <= 10; round++) {
      const puts = Array.from({ length: 20 }, (_, i) =>
        api.call("PUT", `/trails/m-${i}`, {
          body: complete(projectId, { ...amounts(round * i), timestamp, status: "complete" }),
        }),
      );
      await Promise.all(puts);
    }
    writing = false;
    await worker;
    while ((await rollUpTrails(workerContext(api.runtime), BATCH)) > 0);
    const sum = 10 * ((19 * 20) / 2);
    expect(
      await api.db.rows(
        "app",
        `select sum(message_count)::int as messages, sum(total_tokens)::int as tokens, sum(total_cost)::float8 as cost
         from audit_trail_rollup where project_id = $1`,
        [projectId],
      ),
    ).toEqual([{ messages: 20, tokens: sum, cost: sum }]);
  });
});

describe("the clean-up beside a hold that is being placed", () => {
  const worker = () => workerContext(api.runtime);
  const holds = holdsOn(api.db);
  afterEach(() => holds.release());

  test("waits for it, and leaves a due trail that it names", async () => {
    const { put, projectId, messageId } = newTrail(api);
    await put(complete(projectId, { timestamp: daysAgo(10) }));
    while ((await rollUpTrails(worker(), BATCH)) > 0);
    await holds.whilePlacing("trail", messageId, () => deleteDueTrails(worker(), BATCH));
    expect(await rowsOf(messageId)).toHaveLength(1);
  });

  test("waits for it, and leaves a deleted project that it names", async () => {
    const { put, projectId, messageId } = newTrail(api);
    await put(complete(projectId));
    await api.call("DELETE", `/projects/${projectId}`);
    await holds.whilePlacing("project", projectId, () => deleteTrailsOfDeletedProjects(worker(), BATCH));
    expect(await rowsOf(messageId)).toHaveLength(1);
  });
});
