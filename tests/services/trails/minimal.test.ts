import { describe, expect, test } from "vitest";
import { newId, useApi } from "../../support/api.ts";
import { complete, newTrail, placeholder } from "./support.ts";

const api = useApi();
const prefer = (value: string) => ({ headers: { prefer: value } });
const minimal = prefer("return=minimal");

describe("a write that prefers the short answer", () => {
  test("is told id and status, and that its preference was followed", async () => {
    const { projectId, messageId, path, put, patch, get } = newTrail(api);
    const first = await put(placeholder(projectId), minimal);
    expect([first.status, first.body]).toEqual([201, { messageId, status: "placeholder" }]);
    expect(first.headers.get("preference-applied")).toBe("return=minimal");
    expect(first.headers.get("location")).toBe(`/api${path}?projectId=${projectId}`);
    const second = await put(complete(projectId), minimal);
    expect([second.status, second.body]).toEqual([200, { messageId, status: "complete" }]);
    const third = await patch({ latencyMs: 5 }, minimal);
    expect([third.status, third.body]).toEqual([200, { messageId, status: "complete" }]);
    expect((await get()).body).toMatchObject({ latencyMs: 5, tokens: { total: 150 } });
  });

  test("leaves nothing of the trail with its Idempotency-Key, and is answered the same again", async () => {
    const kept = (text: string) =>
      api.db.rows("app", "select from idempotency_keys k where k::text like '%' || $1 || '%'", [text]);
    const { projectId, put, patch } = newTrail(api);
    const [short, whole] = [newId("reasoning"), newId("reasoning")];
    const body = complete(projectId, { reasoning: [short] });
    const writes = [
      (headers: Record<string, string>) => put(body, { headers }),
      (headers: Record<string, string>) => patch({ reasoning: [short, "more"] }, { headers }),
    ];
    for (const write of writes) {
      const headers = { ...minimal.headers, "idempotency-key": newId("k") };
      const [first, again] = [await write(headers), await write(headers)];
      expect([again.body, again.status]).toEqual([first.body, first.status]);
      expect(again.headers.get("idempotent-replay")).toBe("true");
      expect(again.headers.get("preference-applied")).toBe("return=minimal");
    }
    expect(await kept(short)).toEqual([]);
    await patch({ reasoning: [whole] }, { headers: { "idempotency-key": newId("k") } });
    expect(await kept(whole)).toHaveLength(1);
  });

  test.each([
    ["return=minimal", true],
    ["respond-async, return=minimal; wait=1", true],
    ['Return="minimal"', true],
    ["return=representation, return=minimal", false],
    ["return=minimally", false],
    ["x-return=minimal", false],
    ["", false],
  ])("%s: %s", async (value, isShort) => {
    const { projectId, put } = newTrail(api);
    const { body, headers } = await put(complete(projectId), prefer(value));
    expect([!("model" in body), headers.has("preference-applied")]).toEqual([isShort, isShort]);
  });

  test("is what a key without trails:read gets, whatever it prefers: writing shows nothing that was stored", async () => {
    const { projectId, messageId, put, patch } = newTrail(api);
    const stored = await put(complete(projectId, { reasoning: ["of others"] }));
    expect(stored.body.reasoning).toEqual(["of others"]);
    const key = await api.mintKey({ scopes: ["trails:write"] });
    const options = { key, headers: { prefer: "return=representation", "idempotency-key": newId("k") } };
    const placeholders = placeholder(projectId, { contextLayers: 0 });
    for (const write of [
      put(placeholders, { key }),
      put(placeholders, options),
      put(placeholders, options),
    ]) {
      const { status, body, headers } = await write;
      expect([status, body]).toEqual([200, { messageId, status: "complete" }]);
      expect(headers.has("preference-applied")).toBe(false);
    }
    expect((await patch({ contextLayers: 3 }, { key })).body).toEqual({ messageId, status: "complete" });
    const both = await api.mintKey({ scopes: ["trails:write", "trails:read"] });
    expect((await patch({ contextLayers: 3 }, { key: both })).body.reasoning).toEqual(["of others"]);
  });

  test("is refused as any other", async () => {
    const { projectId, put } = newTrail(api);
    const { status, body, headers } = await put(complete(projectId, { status: "done" }), minimal);
    expect([status, body.code, headers.has("preference-applied")]).toEqual([400, "invalid_request", false]);
  });

  test("is described where it is offered, and only there", async () => {
    const { body } = await api.call("GET", "/openapi.json");
    const offers = (path: string, method: string) =>
      JSON.stringify(body.paths[path][method].parameters).includes('"Prefer"');
    expect(["put", "patch"].map((method) => offers("/api/trails/{messageId}", method))).toEqual([true, true]);
    expect(offers("/api/audit/log", "post")).toBe(false);
  });
});
