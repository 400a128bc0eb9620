import { describe, expect, test } from "vitest";
import { useApi } from "../../support/api.ts";
import { newTrail, placeholder } from "./support.ts";

const api = useApi();
const zero = { prompt: 0, completion: 0, total: 0 };

test("the zeros of a placeholder are not amounts: completed without a cost, it is unpriced and not free", async () => {
  const { put, patch, projectId } = newTrail(api);
  expect((await put(placeholder(projectId, { tokens: zero, cost: zero }))).body).toMatchObject({
    status: "placeholder",
    tokens: null,
    cost: null,
  });
  expect((await patch({ tokens: { prompt: 100, completion: 50 } })).body).toMatchObject({
    status: "complete",
    cost: null,
  });
});

describe("a cost of 0 that a placeholder got says nothing once tokens complete it:", () => {
  test.each([
    [
      "by a PUT with some tokens",
      "put",
      { status: "placeholder", tokens: { prompt: 812, completion: 0 }, cost: zero },
    ],
    ["by a PATCH", "patch", { cost: zero }],
    ["by a PATCH that says placeholder", "patch", { status: "placeholder", tokens: zero, cost: zero }],
    [
      "by a PATCH with some tokens",
      "patch",
      { status: "placeholder", tokens: { prompt: 812, completion: 0 }, cost: zero },
    ],
  ] as const)("%s", async (_, method, body) => {
    const trail = newTrail(api);
    await trail.put(placeholder(trail.projectId));
    const written = await trail[method](method === "put" ? placeholder(trail.projectId, body) : body);
    expect(written.body).toMatchObject({ status: "placeholder", cost: null });
    expect(written.body.tokens?.prompt ?? null).toBe("tokens" in body && body.tokens.prompt > 0 ? 812 : null);
    const completed = await trail.patch({ tokens: { prompt: 812, completion: 40 } });
    expect(completed.body).toMatchObject({ status: "complete", cost: null });
  });

  test.each([
    ["tokens", { tokens: { prompt: 812, completion: 40 } }, 812],
    ["its status", { status: "complete" }, undefined],
  ])("stored by an older version, with %s", async (_, patch, prompt) => {
    const trail = newTrail(api);
    await trail.put(placeholder(trail.projectId));
    await api.db.asOwner(
      `update audit_trails set prompt_tokens = 0, completion_tokens = 0, total_tokens = 0, prompt_cost = 0, completion_cost = 0,
         total_cost = 0 where message_id = $1`,
      [trail.messageId],
    );
    const { body } = await trail.patch(patch);
    expect(body).toMatchObject({ status: "complete", cost: null });
    expect(body.tokens?.prompt).toBe(prompt);
  });
});

test("tokens and a cost of 0 that are named together complete a placeholder as free", async () => {
  const { put, patch, projectId } = newTrail(api);
  await put(placeholder(projectId));
  expect((await patch({ tokens: zero, cost: zero })).body).toMatchObject({ status: "complete", cost: zero });
});

test("a cost of 0 on a trail that is said to be complete means that it was free", async () => {
  const { put, projectId } = newTrail(api);
  const body = placeholder(projectId, { status: "complete", tokens: zero, cost: zero });
  expect((await put(body)).body).toMatchObject({ status: "complete", cost: zero });
});
