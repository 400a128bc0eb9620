import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { useApi } from "../../support/api.ts";
import { complete, newTrail, placeholder } from "./support.ts";

const api = useApi();
const sha256 = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;
const PROMPT = { system: "Be brief.", messages: [{ role: "user", content: "ü" }], temperature: 1.0 };
const CANONICAL = '{"messages":[{"content":"ü","role":"user"}],"system":"Be brief.","temperature":1}';

describe("what a message was answered from", () => {
  test("is kept as the SHA-256 of its canonical JSON, and not itself", async () => {
    const { put, messageId, projectId } = newTrail(api);
    const inputs = { prompt: PROMPT, context: ["layer 1", "layer 2"], policy: "no medical advice" };
    const { status, body } = await put(placeholder(projectId, { inputs }));
    expect(status).toBe(201);
    expect(body.digests).toEqual({
      prompt: sha256(CANONICAL),
      context: sha256('["layer 1","layer 2"]'),
      policy: sha256('"no medical advice"'),
    });
    const [row] = await api.db.rows(
      "app",
      "select t::text as text from audit_trails t where message_id = $1",
      [messageId],
    );
    expect(row?.text).not.toMatch(/Be brief|medical|layer/);
  });

  test("has the same digest however its members are ordered", async () => {
    const { put, patch, projectId } = newTrail(api);
    const first = await put(placeholder(projectId, { inputs: { prompt: PROMPT } }));
    const turned = Object.fromEntries(Object.entries(PROMPT).toReversed());
    const again = await patch({ inputs: { prompt: turned }, latencyMs: 5 });
    expect([again.status, again.body.digests]).toEqual([200, first.body.digests]);
  });

  test("stays while the trail completes and changes, also where it is left out or null", async () => {
    const { put, patch, projectId } = newTrail(api);
    const { body } = await put(
      placeholder(projectId, { inputs: { prompt: PROMPT }, digests: { policy: "v7" } }),
    );
    expect((await put(complete(projectId))).body).toMatchObject({
      status: "complete",
      digests: body.digests,
    });
    const more = { inputs: { context: [1], prompt: null }, digests: { prompt: null } };
    expect((await put(complete(projectId, more))).body.digests).toEqual({
      ...body.digests,
      context: sha256("[1]"),
    });
    expect((await patch({ digests: { policy: "v7" }, latencyMs: 1 })).status).toBe(200);
    const cleared = await patch({ digests: { policy: null }, latencyMs: 2 });
    expect(cleared.body).toMatchObject({
      latencyMs: 2,
      digests: { ...body.digests, context: sha256("[1]") },
    });
  });

  test.each([
    ["another prompt", { inputs: { prompt: "other" } }, "prompt"],
    ["another digest", { digests: { policy: "v8" } }, "policy"],
  ])("is not changed by a PATCH with %s, and nothing else is", async (_, change, name) => {
    const { put, patch, get, projectId } = newTrail(api);
    const before = await put(complete(projectId, { inputs: { prompt: PROMPT }, digests: { policy: "v7" } }));
    const { status, body } = await patch({ ...change, latencyMs: 99 });
    expect([status, body.code, body.errors[0]]).toMatchObject([
      409,
      "conflict",
      { path: `body.digests.${name}`, code: "pinned" },
    ]);
    expect((await get()).body).toEqual(before.body);
  });

  test("is not changed by a PUT, nor in a request with an Idempotency-Key; a late placeholder changes nothing anyway", async () => {
    const { put, get, projectId } = newTrail(api);
    const before = await put(complete(projectId, { inputs: { prompt: PROMPT } }));
    const other = { inputs: { prompt: "other" } };
    expect((await put(complete(projectId, other))).status).toBe(409);
    const headers = { "idempotency-key": "k-1" };
    expect((await put(complete(projectId, other), { headers })).status).toBe(409);
    const late = await put(placeholder(projectId, other));
    expect([late.status, late.body]).toEqual([200, before.body]);
    expect((await get()).body).toEqual(before.body);
  });

  test("must fit a digest that is said with it", async () => {
    const { put, projectId } = newTrail(api);
    const wrong = await put(placeholder(projectId, { inputs: { prompt: PROMPT }, digests: { prompt: "x" } }));
    expect([wrong.status, wrong.body.errors[0].path]).toEqual([400, "body.digests.prompt"]);
    const right = { inputs: { prompt: PROMPT }, digests: { prompt: sha256(CANONICAL) } };
    expect((await put(placeholder(projectId, right))).status).toBe(201);
  });

  test("of two that race is the one that came first", async () => {
    for (let round = 0; round < 20; round++) {
      const { put, get, projectId } = newTrail(api);
      const one = (policy: string) => put(complete(projectId, { digests: { policy }, cost: null }));
      const answers = await Promise.all(["a", "b", "c"].map(one));
      expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 409, 409]);
      expect(answers.map(({ body }) => body)).toContainEqual((await get()).body);
    }
  });

  test("cannot be changed past the service either", async () => {
    const { put, messageId, projectId } = newTrail(api);
    await put(complete(projectId, { digests: { policy: "v7" } }));
    for (const set of ["policy_digest = 'v8'", "policy_digest = null"]) {
      const change = api.db.asOwner(`update audit_trails set ${set} where message_id = $1`, [messageId]);
      await expect(change).rejects.toMatchObject({
        constraint: "trail_digests_pinned",
        column: "policy_digest",
      });
    }
  });
});
