import { describe, expect, test } from "vitest";
import { newId, useApi } from "../../support/api.ts";
import type { Scope } from "../../../services/keys/scopes.ts";
import { complete, newTrail, placeholder } from "./support.ts";

const api = useApi();

const INTEGER_MAX = 2 ** 31 - 1;
const LONG = "x".repeat(201);

const wrongFields: [string, object, string][] = [
  ["no model", { model: undefined }, "model"],
  ["a blank model", { model: "  " }, "model"],
  ["a model of 201 characters", { model: LONG }, "model"],
  ["no context layers", { contextLayers: undefined }, "contextLayers"],
  ["context layers as text", { contextLayers: "3" }, "contextLayers"],
  ["a fraction of a context layer", { contextLayers: 0.5 }, "contextLayers"],
  ["negative context layers", { contextLayers: -1 }, "contextLayers"],
  ["too many context layers", { contextLayers: INTEGER_MAX + 1 }, "contextLayers"],
  ["no date", { timestamp: "yesterday" }, "timestamp"],
  ["a day that does not exist", { timestamp: "2026-02-30T00:00:00Z" }, "timestamp"],
  ["a time without a zone", { timestamp: "2026-01-01T00:00:00" }, "timestamp"],
  ["a time before 2000", { timestamp: "1999-12-31T23:59:59Z" }, "timestamp"],
  ["a time that a zone moves before 2000", { timestamp: "2000-01-01T00:00:00+01:00" }, "timestamp"],
  ["a time after 2199", { timestamp: "2200-01-01T00:00:00Z" }, "timestamp"],
  ["a number as a time", { timestamp: 1_767_225_600 }, "timestamp"],
  ["reasoning that is no list", { reasoning: "because" }, "reasoning"],
  ["reasoning with a number", { reasoning: ["a", 1] }, "reasoning[1]"],
  ["reasoning of 1,001 steps", { reasoning: Array.from({ length: 1_001 }, () => "a") }, "reasoning"],
  ["NUL in reasoning", { reasoning: ["a\0b"] }, "reasoning[0]"],
  ["half a surrogate pair", { reasoning: ["\ud800"] }, "reasoning[0]"],
  ["negative tokens", { tokens: { prompt: -1, completion: 0 } }, "tokens.prompt"],
  ["a fraction of a token", { tokens: { prompt: 1, completion: 1.5 } }, "tokens.completion"],
  ["NaN as text", { tokens: { prompt: "NaN", completion: 0 } }, "tokens.prompt"],
  ["tokens beyond an integer", { tokens: { prompt: INTEGER_MAX + 1, completion: 0 } }, "tokens.prompt"],
  ["a sum of tokens beyond an integer", { tokens: { prompt: INTEGER_MAX, completion: 1 } }, "tokens.total"],
  ["tokens beyond a double", { tokens: { prompt: 1e21, completion: 0 } }, "tokens.prompt"],
  ["tokens without their parts", { tokens: { total: 5 } }, "tokens.prompt"],
  ["negative cached tokens", { tokens: { prompt: 1, completion: 1, cached: -1 } }, "tokens.cached"],
  ["an unknown kind of token", { tokens: { prompt: 1, completion: 1, audio: 1 } }, "tokens.audio"],
  ["a list of tokens", { tokens: [1, 2] }, "tokens"],
  ["a negative cost", { cost: { prompt: -0.01, completion: 0 } }, "cost.prompt"],
  ["a cost as text", { cost: { prompt: "0.01", completion: 0 } }, "cost.prompt"],
  ["a cost above 1e12", { cost: { prompt: 1e12 + 1, completion: 0 } }, "cost.prompt"],
  ["a total cost above 1e12", { cost: { prompt: 0, completion: 0, total: 2e12 } }, "cost.total"],
  ["a cost of null parts", { cost: { prompt: null, completion: 0 } }, "cost.prompt"],
  ["an unknown status", { status: "done" }, "status"],
  ["a negative latency", { latencyMs: -1 }, "latencyMs"],
  ["a latency beyond an integer", { latencyMs: INTEGER_MAX + 1 }, "latencyMs"],
  ["an unknown digest", { digests: { model: "x" } }, "digests.model"],
  ["an empty digest", { digests: { prompt: "" } }, "digests.prompt"],
  ["a digest of 201 characters", { digests: { policy: LONG } }, "digests.policy"],
  ["an unknown field", { costs: {} }, "costs"],
];

describe("a wrong field is a 400 that names it, and stores nothing", () => {
  test.each(wrongFields)("PUT with %s", async (_, more, path) => {
    const { put, projectId } = newTrail(api);
    const { status, body } = await put(placeholder(projectId, more));
    expect(status).toBe(400);
    expect(body.errors[0].path).toBe(`body.${path}`);
    expect(await api.db.rows("app", "select from projects where project_id = $1", [projectId])).toEqual([]);
  });

  const patchable = wrongFields.filter(
    ([, more, path]) => Object.values(more)[0] !== undefined && path !== "timestamp",
  );
  test("PATCH with any of them", async () => {
    const { put, patch, get, projectId } = newTrail(api);
    const before = await put(complete(projectId));
    for (const [, more, path] of patchable) {
      const { status, body } = await patch(more);
      expect([status, body.errors[0].path]).toEqual([400, `body.${path}`]);
    }
    for (const body of [{}, { projectId }, { timestamp: "2026-01-01T00:00:00Z" }, [], null, "{", "NaN"]) {
      expect((await patch(body as object)).status).toBe(400);
    }
    expect((await get()).body).toEqual(before.body);
  });

  test.each([
    ["%00", "messageId"],
    ["%20", "messageId"],
    [LONG, "messageId"],
  ])("the message id %s", async (id, field) => {
    for (const [method, body] of [["GET"], ["PUT", placeholder("p")], ["PATCH", { latencyMs: 1 }]] as const) {
      const answer = await api.call(method, `/trails/${id}`, { body });
      expect([answer.status, answer.body.errors[0].path]).toEqual([400, `path.${field}`]);
    }
  });

  test.each(["", " ", LONG, 5, null])("the project id %j", async (projectId) => {
    const { status, body } = await newTrail(api).put(placeholder(projectId as string));
    expect([status, body.errors[0].path]).toEqual([400, "body.projectId"]);
  });

  test.each([
    ["limit=0", "limit"],
    ["limit=1001", "limit"],
    ["from=today", "from"],
    ["status=done", "status"],
    ["projectId=", "projectId"],
    ["model=a&model=b", "model"],
    ["model=%00", "model"],
    ["sort=asc", "sort"],
  ])("GET /trails?%s", async (query, field) => {
    const { status, body } = await api.call("GET", `/trails?${query}`);
    expect([status, body.errors[0].path]).toEqual([400, `query.${field}`]);
  });
});

describe("a large body", () => {
  const sized = (projectId: string, bytes: number) => {
    const empty = JSON.stringify(placeholder(projectId, { reasoning: [""] })).length;
    return placeholder(projectId, { reasoning: ["a".repeat(bytes - empty)] });
  };

  test("of 1 MiB is stored; one byte more is a 413", async () => {
    const { put, patch, get, projectId } = newTrail(api);
    const over = sized(projectId, 1024 * 1024 + 1);
    expect((await put(over)).status).toBe(413);
    expect((await get()).status).toBe(404);
    expect((await put(sized(projectId, 1024 * 1024))).status).toBe(201);
    expect((await patch({ reasoning: ["a".repeat(1024 * 1024)] })).status).toBe(413);
  });

  const MIB = "ü".repeat(512 * 1024);
  test.each([
    ["reasoning", { reasoning: ["short", MIB], model: "m" }, "body.reasoning"],
    [
      "what it was answered from",
      { inputs: { prompt: "p", context: { layers: [MIB] } } },
      "body.inputs.context.layers",
    ],
    ["a field that does not exist", { notes: MIB }, "body.notes"],
    ["no field at all", [MIB], "body"],
    ["more than four mebibytes", { reasoning: [MIB.repeat(5)] }, "body"],
    ["nesting without end", `{"a":${"[".repeat(2_000_000)}${"]".repeat(2_000_000)}}`, "body"],
    ["no JSON", `{"reasoning": ["${MIB}`, "body"],
  ])("that is too large by %s is a 413 that says so", async (_, more, path) => {
    const { put, patch, projectId } = newTrail(api);
    const body = typeof more === "string" || Array.isArray(more) ? more : placeholder(projectId, more);
    for (const write of [put, patch]) {
      const { status, body: problem } = await write(body as object);
      expect([status, problem.code, problem.errors[0].path]).toEqual([413, "payload_too_large", path]);
    }
  });
});

describe("another tenant's trail", () => {
  test("is a 404 on every route, as one that does not exist", async () => {
    const { put, path, projectId } = newTrail(api);
    const before = await put(complete(projectId));
    const key = await api.mintKey({ projects: [newId("proj")] });
    const tries = [
      ["PUT", path, placeholder(projectId)],
      ["PUT", path, placeholder(newId("proj"))],
      ["PATCH", path, { latencyMs: 1 }],
      ["PATCH", `${path}?projectId=${projectId}`, { latencyMs: 1 }],
      ["GET", path],
      ["GET", `${path}?projectId=${projectId}`],
      ["GET", `/trails?projectId=${projectId}`],
    ] as const;
    for (const [method, target, body] of tries) {
      expect((await api.call(method, target, { key, body })).status).toBe(404);
    }
    expect((await api.call("GET", path)).body).toEqual(before.body);
  });
});

describe("a key without the scope is refused", () => {
  const all: [string, string, Scope, object?][] = [
    ["PUT", "/trails/m", "trails:write", placeholder("p")],
    ["PATCH", "/trails/m", "trails:write", { latencyMs: 1 }],
    ["GET", "/trails/m", "trails:read"],
    ["GET", "/trails", "trails:read"],
  ];
  test.each(all)("%s %s needs %s", async (method, path, scope, body) => {
    const other = scope === "trails:read" ? "trails:write" : "trails:read";
    const key = await api.mintKey({ scopes: [other] });
    const { status, body: problem } = await api.call(method, path, { key, body });
    expect([status, problem.code]).toEqual([403, "forbidden"]);
    expect((await api.call(method, path, { key: null, body })).status).toBe(401);
  });
});
