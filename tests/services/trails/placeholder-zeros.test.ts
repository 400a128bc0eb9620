import { expect, test } from "vitest";
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

test("a cost of 0 on a trail that is said to be complete means that it was free", async () => {
  const { put, projectId } = newTrail(api);
  const body = placeholder(projectId, { status: "complete", tokens: zero, cost: zero });
  expect((await put(body)).body).toMatchObject({ status: "complete", cost: zero });
});
