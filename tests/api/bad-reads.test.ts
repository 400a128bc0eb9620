import { describe, expect, test } from "vitest";
import { newId, useApi } from "../support/api.ts";
import { callRaw, expectProblem, newEvent, operations, rowsHolding } from "./support.ts";

const api = useApi();
const LISTS = ["/audit/events", "/trails", "/keys"];

describe.each(LISTS)("GET %s", (list) => {
  test.each([
    ["limit=0", "limit"],
    ["limit=1001", "limit"],
    ["limit=-1", "limit"],
    ["limit=1.5", "limit"],
    ["limit=1e2", "limit"],
    ["limit=0x10", "limit"],
    ["limit=ten", "limit"],
    ["limit=", "limit"],
    ["limit=%2010", "limit"],
    ["limit=99999999999999999999", "limit"],
    ["limit=1&limit=2", "limit"],
    ["surprise=1", "surprise"],
    ["__proto__=1", "__proto__"],
    ["constructor=1", "constructor"],
    ["toString=1", "toString"],
    ["hasOwnProperty=1&limit=1", "hasOwnProperty"],
    ["limit[]=1", "limit[]"],
  ])("?%s is a 400 that names the parameter", async (query, name) => {
    expectProblem(await api.call("GET", `${list}?${query}`), 400, "invalid_request", `query.${name}`);
  });

  test.each(["", "x", "bnVsbA", "W10", "eyJ9", "e30", "WyJhIl0", "%00", "é", "A".repeat(1_001)])(
    "the cursor '%s' is a 400",
    async (cursor) => {
      const answer = await api.call("GET", `${list}?cursor=${cursor}`);
      const code = cursor === "%00" ? "invalid_request" : "invalid_cursor";
      expectProblem(answer, 400, code, "query.cursor");
    },
  );
});

const FORMAT = "format=csv&";

describe.each([
  ["/audit/events", ""],
  ["/audit/events/export", FORMAT],
])("GET %s", (list, more) => {
  const fields = ["workspaceId", "actorId", "actionType", "resourceType", "resourceId"];
  test.each([
    ...fields.flatMap((field) => ["", "%20", "x".repeat(201), "a%00b"].map((value) => [field, value])),
    ...["from", "to"].flatMap((field) =>
      ["", "now", "2026-01-01", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00+02:00", "1-01-01T00:00:00Z"].map(
        (value) => [field, value],
      ),
    ),
    ["text", ""],
    ["text", "a"],
    ["text", "x".repeat(201)],
    ["tag", ""],
    ["includeDeleted", "yes"],
    ["includeDeleted", "1"],
  ])("%s=%s is a 400 that names the parameter", async (name, value) => {
    const answer = await api.call("GET", `${list}?${more}${name}=${value}`);
    expectProblem(answer, 400, "invalid_request", `query.${name}`);
  });

  test("text that is no UTF-8 is a 400, not a search for something else", async () => {
    for (const bytes of ["%ff", "%ed%a0%80", "%c3", "%zz", "%"]) {
      expectProblem(await api.call("GET", `${list}?${more}text=${bytes}`), 400, "invalid_request", "query");
    }
  });
});

test.each(["", "?format=xml", "?format=", "?format=csv&limit=5", "?format=csv&cursor=x"])(
  "GET /audit/events/export%s is a 400",
  async (query) => {
    const answer = await api.call("GET", `/audit/events/export${query}`);
    expect(answer.status).toBe(400);
    expectProblem(answer, 400, "invalid_request");
  },
);

test.each(["1", "x", "%00", "01890000-0000-7000-8000-00000000000", "01890000-0000-7000-8000-00000000000g"])(
  "the id '%s' is a 400 wherever an id of ours is asked for",
  async (id) => {
    for (const path of [`/audit/events/${id}`, `/jobs/trail-cleanup/runs/${id}`]) {
      const answer = await api.call("GET", path);
      expectProblem(answer, 400, "invalid_request");
      expect(answer.body.errors[0].path).toMatch(/^path\.(id|runId)$/);
    }
    expectProblem(await api.call("DELETE", `/keys/${id}`), 400, "invalid_request", "path.id");
    const rotation = await api.call("POST", `/keys/${id}/rotate`, { body: {} });
    expectProblem(rotation, 400, "invalid_request", "path.id");
  },
);

test("a path that is no UTF-8 is a 400 wherever a path holds an id", async () => {
  const routes = (await operations(api)).filter((one) => one.path.includes("{"));
  expect(routes.length).toBeGreaterThan(10);
  for (const { method, path, hasBody } of routes) {
    for (const bytes of ["%ff", "%ed%a0%80", "a%c3"]) {
      const sent = hasBody ? { body: "{}", headers: { "content-type": "application/json" } } : {};
      const answer = await callRaw(api, method, path.replaceAll(/\{\w+\}/g, bytes), sent);
      expectProblem(answer, 400, "invalid_request", "path");
    }
  }
});

test("a write that takes no body refuses one, and changes nothing", async () => {
  const routes = (await operations(api)).filter((one) => !one.hasBody && one.method !== "GET");
  expect(routes.length).toBeGreaterThan(3);
  const projectId = newId("proj");
  await api.call("PUT", `/projects/${projectId}/retention`, { body: { trailRetentionDays: 9 } });
  for (const { method, path } of routes) {
    const at = path.replace("{id}", "trail-cleanup").replace("{projectId}", projectId);
    for (const body of ["{", '{"a":1}', "[]", "x".repeat(100_000)]) {
      const answer = await api.call(
        method,
        at.replace("/keys/trail-cleanup", `/keys/${crypto.randomUUID()}`),
        {
          body,
        },
      );
      expect([method, at, [400, 413].includes(answer.status)]).toEqual([method, at, true]);
    }
  }
  expect(
    await api.db.rows("app", "select from audit_deletion_log where subject_id = $1", [projectId]),
  ).toEqual([]);
  expect(await api.db.rows("app", "select from job_runs")).toEqual([]);
});

test("a refused read leaves no trace", async () => {
  const ws = newId("ws");
  await api.call("POST", "/audit/log", { body: newEvent(ws) });
  await api.call("GET", `/audit/events?workspaceId=${ws}&limit=0`);
  expect((await rowsHolding(api.db, ws)).audit_events).toBe(1);
});
