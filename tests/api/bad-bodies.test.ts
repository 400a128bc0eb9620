import { beforeAll, describe, expect, test } from "vitest";
import { restoresOf } from "../attack/restores.ts";
import { trackedTable } from "../attack/world.ts";
import { complete } from "../services/trails/support.ts";
import { newId, useApi } from "../support/api.ts";
import { proposePurge } from "../support/purges.ts";
import { callRaw, expectProblem, inPieces, newEvent, operations, rowsHolding } from "./support.ts";

const api = useApi();
const JSON_TYPE = { "content-type": "application/json" };
const KEY_ID = "01890000-0000-7000-8000-000000000000";
const MIB = 1024 * 1024;

/** A tracked table whose row 1 can be restored, and restores that wait for an approval or have ended. */
let restorable: { table: string; waiting: string[]; ended: string };
let proposals: string[];
beforeAll(async () => {
  proposals = [await proposePurge(api.db), await proposePurge(api.db)];
  const query = (text: string, values?: unknown[]) => api.db.rows("superuser", text, values);
  const table = await trackedTable(query);
  const ids = (await restoresOf(query, table))["/api/restores/{id}"] ?? [];
  restorable = { table, waiting: ids.slice(0, 2), ended: ids.at(-1) ?? "" };
});
const restoreRequest = (reason: string) => ({ target: { table: restorable.table, recordId: "1" }, reason });

interface Route {
  route: string;
  path(tenant: string): string;
  body(tenant: string): Record<string, unknown>;
  maxBytes: number;
}

/** Every route that takes a body, with a request that it would accept. */
const routes: Route[] = [
  { route: "POST /audit/log", path: () => "/audit/log", body: newEvent, maxBytes: MIB / 4 },
  {
    route: "POST /audit/log/batch",
    path: () => "/audit/log/batch",
    body: (tenant) => ({ events: [newEvent(tenant), newEvent(tenant)] }),
    maxBytes: 4 * MIB,
  },
  {
    route: "PUT /trails/{messageId}",
    path: (tenant) => `/trails/${tenant}`,
    body: (tenant) => complete(tenant),
    maxBytes: MIB,
  },
  {
    route: "PATCH /trails/{messageId}",
    path: (tenant) => `/trails/${tenant}`,
    body: (tenant) => ({ model: tenant }),
    maxBytes: MIB,
  },
  {
    route: "PUT /projects/{projectId}/retention",
    path: (tenant) => `/projects/${tenant}/retention`,
    body: () => ({ trailRetentionDays: 30 }),
    maxBytes: MIB / 16,
  },
  {
    route: "PUT /retention/{workspaceId}",
    path: (tenant) => `/retention/${tenant}`,
    body: () => ({ hotRetentionDays: 1, warmArchiveDays: 2, coldRetentionDays: 3, isComplianceMode: false }),
    maxBytes: MIB / 16,
  },
  {
    route: "POST /holds",
    path: () => "/holds",
    body: (tenant) => ({ workspaceId: tenant, reason: "a case" }),
    maxBytes: MIB / 16,
  },
  {
    route: "POST /audit/events/{id}/unarchive",
    path: () => `/audit/events/${KEY_ID}/unarchive`,
    body: (tenant) => ({ reason: tenant }),
    maxBytes: MIB / 16,
  },
  {
    route: "POST /purges/{id}/approve",
    path: () => `/purges/${proposals[0]}/approve`,
    body: (tenant) => ({ note: tenant }),
    maxBytes: MIB / 16,
  },
  {
    route: "POST /purges/{id}/reject",
    path: () => `/purges/${proposals[1]}/reject`,
    body: (tenant) => ({ note: tenant }),
    maxBytes: MIB / 16,
  },
  {
    route: "POST /keys",
    path: () => "/keys",
    body: (tenant) => ({ name: tenant, scopes: ["events:read"] }),
    maxBytes: MIB / 16,
  },
  {
    route: "POST /keys/{id}/rotate",
    path: () => `/keys/${KEY_ID}/rotate`,
    body: () => ({ overlapSeconds: 1 }),
    maxBytes: MIB / 16,
  },
  {
    route: "POST /restores/preview",
    path: () => "/restores/preview",
    body: restoreRequest,
    maxBytes: MIB / 16,
  },
  { route: "POST /restores", path: () => "/restores", body: restoreRequest, maxBytes: MIB / 16 },
  {
    route: "POST /restores/{id}/approve",
    path: () => `/restores/${restorable.waiting[0]}/approve`,
    body: (tenant) => ({ note: tenant }),
    maxBytes: MIB / 16,
  },
  {
    route: "POST /restores/{id}/reject",
    path: () => `/restores/${restorable.waiting[1]}/reject`,
    body: (tenant) => ({ note: tenant }),
    maxBytes: MIB / 16,
  },
  {
    route: "POST /restores/{id}/rollback",
    path: () => `/restores/${restorable.ended}/rollback`,
    body: (tenant) => ({ reason: tenant }),
    maxBytes: MIB / 16,
  },
];

const text = (body: Record<string, unknown>, more: string) => `${JSON.stringify(body).slice(0, -1)},${more}}`;
const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

type Make = (body: Record<string, unknown>) => string | Uint8Array<ArrayBuffer>;

/** What is sent, and the field that the answer names. */
const badBodies: [name: string, make: Make, path: string][] = [
  ["nothing", () => "", "body"],
  ["malformed JSON", () => "{'a': 1}", "body"],
  ["JSON cut off", (body) => JSON.stringify(body).slice(0, -2), "body"],
  ["two values", (body) => JSON.stringify(body).repeat(2), "body"],
  ["an array", () => "[]", "body"],
  ["an array around it", (body) => JSON.stringify([body]), "body"],
  ["a text", () => '"x"', "body"],
  ["a number", () => "1", "body"],
  ["null", () => "null", "body"],
  ["true", () => "true", "body"],
  ["an unknown field", (body) => text(body, '"surprise":1'), "body.surprise"],
  ["a field named constructor", (body) => text(body, '"constructor":1'), "body.constructor"],
  ["a field named __proto__", (body) => text(body, '"__proto__":{"x":1}'), "body.__proto__"],
  ["NUL in a value", (body) => text(body, '"x":["a\\u0000b"]'), "body.x[0]"],
  ["NUL in a key", (body) => text(body, '"x":{"a\\u0000b":1}'), "body.x"],
  ["half a surrogate pair in a value", (body) => text(body, '"x":{"y":"\\ud83d"}'), "body.x.y"],
  ["the other half in a key", (body) => text(body, '"x":{"\\ude00":1}'), "body.x"],
  ["a number beyond all doubles", (body) => text(body, '"x":1e400'), "body.x"],
  ["an integer that no double holds", (body) => text(body, '"x":9007199254740993'), "body.x"],
  ["33 levels", (body) => text(body, `"x":${nested(32)}`), `body.x${"[0]".repeat(31)}`],
  ["bytes that are not UTF-8", () => new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), "body"],
  ["UTF-16", (body) => new Uint8Array(Buffer.from(JSON.stringify(body), "utf16le")), "body"],
];

test("every route that takes a body is tried here", async () => {
  const all = (await operations(api)).filter((one) => one.hasBody);
  expect(routes.map((one) => one.route).toSorted()).toEqual(
    all.map((one) => `${one.method} ${one.path}`).toSorted(),
  );
});

test.each(routes.filter((one) => /log|PUT|keys$|holds|purges|restores/.test(one.route)))(
  "$route would accept and write what is spoiled below",
  async ({ route, path, body }) => {
    const tenant = newId("good");
    const [method = ""] = route.split(" ");
    const sent = JSON.stringify(body(tenant));
    const { status } = await callRaw(api, method, path(tenant), { headers: JSON_TYPE, body: sent });
    expect([200, 201, 202]).toContain(status);
    expect(await rowsHolding(api.db, tenant)).not.toEqual({});
  },
);

test.each<[object, place: string]>([
  [{ table: "public.t", recordId: 1 }, "body.target.recordId"],
  [{ table: "public.t", recordId: "1", surprise: 1 }, "body.target.surprise"],
  [{ table: "public.t", recordId: "1", to: { entryId: "first" } }, "body.target.to.entryId"],
  [{ tables: ["public.t"], at: "yesterday" }, "body.target.at"],
  [{ tables: ["public.t"] }, "body.target"],
  [{}, "body.target"],
])(
  "of the targets of a restore, %j is held against the one that it comes nearest to",
  async (target, place) => {
    const reason = newId("bad");
    for (const path of ["/restores", "/restores/preview"]) {
      expectProblem(
        await api.call("POST", path, { body: { target, reason } }),
        400,
        "invalid_request",
        place,
      );
    }
    expect(await rowsHolding(api.db, reason)).toEqual({});
  },
);

describe.each(routes)("$route", ({ route, path, body, maxBytes }) => {
  const [method = ""] = route.split(" ");
  const send = async (
    tenant: string,
    sent: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
    headers: Record<string, string> = JSON_TYPE,
    query = "",
  ) => {
    const answer = await callRaw(api, method, path(tenant) + query, { headers, body: sent });
    expect(await rowsHolding(api.db, tenant)).toEqual({});
    return answer;
  };

  test.each(badBodies)("%s is a 400 that names the place, and nothing is written", async (_, make, place) => {
    const tenant = newId("bad");
    expectProblem(await send(tenant, make(body(tenant))), 400, "invalid_request", place);
  });

  test("100,000 levels are a 4xx and no crash", async () => {
    const tenant = newId("bad");
    for (const deep of ["[".repeat(100_000), nested(100_000), `{"x":${nested(100_000)}}`]) {
      const answer = await send(tenant, deep);
      expect([400, 413]).toContain(answer.status);
      expectProblem(answer, answer.status, answer.body.code);
    }
  });

  test.each(["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])(
    "the content type '%s' is a 415",
    async (type) => {
      const tenant = newId("bad");
      const answer = await send(tenant, JSON.stringify(body(tenant)), type ? { "content-type": type } : {});
      expectProblem(answer, 415, "unsupported_media_type", "header.Content-Type");
    },
  );

  test("a body over the limit is a 413, whether or not its length is known before", async () => {
    const tenant = newId("bad");
    const large = JSON.stringify(body(tenant)) + " ".repeat(maxBytes);
    const known = { ...JSON_TYPE, "content-length": String(Buffer.byteLength(large)) };
    expectProblem(await send(tenant, large, known), 413, "payload_too_large", "body");
    expectProblem(await send(tenant, inPieces(large)), 413, "payload_too_large", "body");
    const understated = { ...JSON_TYPE, "content-length": "2" };
    expectProblem(await send(tenant, inPieces(large), understated), 413, "payload_too_large", "body");
  });

  test("a body that breaks off is a 400", async () => {
    const tenant = newId("bad");
    const broken = new ReadableStream<Uint8Array>({
      start: (controller) =>
        controller.enqueue(new TextEncoder().encode(JSON.stringify(body(tenant)).slice(0, 9))),
      pull: (controller) => controller.error(Object.assign(new Error("aborted"), { code: "ECONNRESET" })),
    });
    expectProblem(await send(tenant, broken), 400, "invalid_request", "body");
  });

  test.each(["", "a b", "x".repeat(201), "ü", "a\tb"])("the Idempotency-Key '%s' is a 400", async (key) => {
    const tenant = newId("bad");
    const headers = { ...JSON_TYPE, "idempotency-key": key };
    const answer = await send(tenant, JSON.stringify(body(tenant)), headers);
    expectProblem(answer, 400, "invalid_request", "header.Idempotency-Key");
  });

  test.each([
    ["an unknown parameter", "?surprise=1", "query.surprise"],
    ["a parameter named __proto__", "?__proto__=1", "query.__proto__"],
    ["a parameter given twice", "?projectId=a&projectId=a", "query.projectId"],
    ["bytes that are not UTF-8", "?projectId=%ff", "query"],
    ["an encoded half of a surrogate pair", "?projectId=%ed%a0%80", "query"],
  ])("%s in the query is a 400", async (_, query, place) => {
    const tenant = newId("bad");
    const answer = await send(tenant, JSON.stringify(body(tenant)), JSON_TYPE, query);
    expectProblem(answer, 400, "invalid_request", place);
  });
});
