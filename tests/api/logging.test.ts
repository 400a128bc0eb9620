import { beforeAll, describe, expect, test } from "vitest";
import { safeError } from "../../lib/logger.ts";
import { newId, useApi } from "../support/api.ts";
import { callRaw, expectProblem, newEvent, operations, type Operation } from "./support.ts";

const api = useApi();
const JSON_TYPE = { "content-type": "application/json" };
// Two words, so that neither half is let out by cutting at a space or a line; the second looks like a stack frame.
const canary = newId("CANARY");
const nasty = `${canary}\n    at ${canary} (/x.ts:1:1)`;

interface Line {
  msg: string;
  level: number;
  requestId?: string;
  route?: string;
  method?: string;
  status?: number;
  ms?: number;
  keyId?: string;
  error?: unknown;
}

/** The lines that were logged while `work` ran. */
async function logged<T>(work: () => Promise<T>): Promise<{ lines: Line[]; result: T }> {
  const from = api.logs.length;
  const result = await work();
  return { lines: api.logs.slice(from).map((line) => JSON.parse(line) as Line), result };
}

const expectNoCanary = () => expect(api.logs.filter((line) => line.includes("CANARY"))).toEqual([]);

describe("no log line holds what a caller sent", () => {
  let guarded: Operation[];
  beforeAll(async () => {
    guarded = await operations(api);
  });

  test("in any header, also where each is malformed", async () => {
    const names = ["user-agent", "referer", "x-request-id", "x-forwarded-for", "cookie", "origin", "accept"];
    const headers = Object.fromEntries(names.map((name) => [name, canary]));
    const keys = [await api.mintKey(), canary, `afi_${canary.padEnd(43, "x").slice(0, 43)}`];
    for (const key of keys) {
      for (const idempotencyKey of [canary, `${canary} ${canary}`]) {
        for (const type of ["application/json", canary]) {
          await callRaw(api, "POST", "/audit/log", {
            key,
            headers: { ...headers, "idempotency-key": idempotencyKey, "content-type": type },
            body: JSON.stringify(newEvent(canary)),
          });
        }
      }
    }
    expectNoCanary();
  });

  test("in any field of any body", async () => {
    const body = JSON.stringify({
      ...newEvent(canary, {
        userAgent: nasty,
        metadata: { [canary]: nasty },
        newValues: { [nasty]: canary },
      }),
      [canary]: canary,
    });
    const bodies = [body, body.replace(`,"${canary}":"${canary}"`, ""), `{"${canary}`, `"${canary}"`];
    for (const { method, path } of guarded.filter((one) => one.hasBody)) {
      const at = path.replaceAll(/\{\w+\}/g, "x");
      for (const sent of bodies) await callRaw(api, method, at, { headers: JSON_TYPE, body: sent });
      await callRaw(api, method, at, {
        headers: JSON_TYPE,
        body: JSON.stringify({ events: [{ [canary]: nasty }] }),
      });
    }
    expectNoCanary();
  });

  test("in any path or query, of routes that are and that are not", async () => {
    for (const { method, path, hasBody } of guarded) {
      const at = path.replaceAll(/\{\w+\}/g, canary);
      for (const query of [
        `?${canary}=1`,
        `?workspaceId=${canary}&projectId=${canary}`,
        `?cursor=${canary}`,
      ]) {
        await callRaw(api, method, at + query, hasBody ? { headers: JSON_TYPE, body: "{}" } : {});
      }
    }
    const filters = ["actorId", "actionType", "resourceType", "resourceId", "tag", "from", "text", "limit"];
    for (const name of filters) await api.call("GET", `/audit/events?${name}=${canary}`);
    for (const method of ["GET", "BREW", "DELETE"]) await callRaw(api, method, `/${canary}/x?${canary}`, {});
    expectNoCanary();
  });

  test("when the database refuses it and says so with the value", async () => {
    await api.db.rows("admin", "create table public.members (ws text, usr text)");
    const source = "select audit.set_membership_source('public.members', 'ws', 'usr')";
    await api.db.rows("admin", source);
    try {
      const { result } = await logged(() =>
        api.call("POST", "/audit/log", { body: newEvent(canary, { createdByUserId: canary }) }),
      );
      expectProblem(result, 422, "not_a_member");
    } finally {
      await api.db.rows("admin", "select audit.set_membership_source(null, null, null)");
    }
    const clash = { eventId: canary, metadata: { nasty } };
    await api.call("POST", "/audit/log", { body: newEvent(canary, clash) });
    const conflict = await api.call("POST", "/audit/log", {
      body: newEvent(canary, { ...clash, actionType: canary }),
    });
    expectProblem(conflict, 409, "conflict");
    expectNoCanary();
  });

  test("when the database fails with it in the statement, and the answer holds only the request id", async () => {
    const { lines, result } = await logged(() =>
      withRenamed("audit_events", async () => [
        await api.call("POST", "/audit/log", {
          body: newEvent(canary, { userAgent: nasty, newValues: { nasty } }),
          headers: { "idempotency-key": canary },
        }),
        await api.call("GET", `/audit/events?${new URLSearchParams({ workspaceId: canary, text: nasty })}`),
      ]),
    );
    for (const answer of result) {
      expectProblem(answer, 500, "internal");
      expect(answer.body.errors).toEqual([]);
      expect(JSON.stringify(answer.body)).not.toMatch(/CANARY|audit_events|relation|select|insert/i);
      const errors = lines.filter((one) => one.msg === "internal" && one.requestId === answer.body.requestId);
      expect(errors).toHaveLength(1);
      expect(errors[0]).toMatchObject({ level: 50, route: expect.stringMatching(/^\/audit\//) });
      expect(JSON.stringify(errors[0]?.error)).toContain("42P01");
    }
    expectNoCanary();
  });

  test("as a key, whole or in part", async () => {
    const { secret } = (await api.call("POST", "/keys", { body: { name: canary, scopes: ["events:read"] } }))
      .body;
    await api.call("GET", "/audit/events", { key: secret });
    const minted = await api.mintKey();
    await api.call("GET", "/audit/events", { key: minted });
    for (const key of [secret, minted]) {
      expect(api.logs.filter((line) => line.includes(key.slice("afi_".length, 16)))).toEqual([]);
    }
    expectNoCanary();
  });
});

describe("each request is one line", () => {
  test.each([
    ["POST", "/audit/log", "/audit/log", newEvent("ws-log"), 201],
    ["GET", "/audit/events?limit=1", "/audit/events", undefined, 200],
    ["GET", "/audit/events/x", "/audit/events/:id", undefined, 400],
    ["GET", "/jobs/trail-cleanup", "/jobs/:id", undefined, 200],
    ["GET", "/audit/events/export?format=csv", "/audit/events/export", undefined, 200],
    ["DELETE", "/audit/events", "/audit/events", undefined, 405],
    ["GET", "/nowhere", "none", undefined, 404],
    ["GET", "/health", "/health", undefined, 200],
    ["GET", "/ready", "/ready", undefined, 200],
    ["GET", "/docs", "/docs", undefined, 200],
  ])("%s %s", async (method, path, route, body, status) => {
    const { lines, result } = await logged(() => api.call(method, path, { body }));
    expect(result.status).toBe(status);
    expect(lines).toHaveLength(1);
    const [line] = lines;
    expect(line).toMatchObject({ msg: "request", method, route, status, level: 30 });
    expect(line?.requestId).toBe(result.headers.get("x-request-id"));
    expect(line?.ms).toBeGreaterThan(0);
  });

  test("with the id of the key that asked, and none for a stranger", async () => {
    const { body } = await api.call("POST", "/keys", { body: { name: "k", scopes: ["events:read"] } });
    const { lines } = await logged(async () => {
      await api.call("GET", "/audit/events", { key: body.secret });
      await api.call("GET", "/audit/events", { key: null });
      await api.call("GET", "/trails", { key: body.secret });
    });
    expect(lines.map((line) => [line.status, line.keyId])).toEqual([
      [200, body.key.id],
      [401, undefined],
      [403, body.key.id],
    ]);
  });

  test("and a request id is ours, never the caller's", async () => {
    const mine = crypto.randomUUID();
    const { lines, result } = await logged(() =>
      api.call("GET", "/health", { headers: { "x-request-id": mine } }),
    );
    expect(result.headers.get("x-request-id")).not.toBe(mine);
    expect(JSON.stringify(lines)).not.toContain(mine);
  });
});

describe("what is logged of an error", () => {
  test("is its kind, code and frames, not its message, nor a message that looks like frames", () => {
    const cause = Object.assign(new TypeError(`x\n    at ${canary}`), { code: "22P02", detail: canary });
    const text = JSON.stringify(safeError(new Error(nasty, { cause })));
    expect(text).not.toContain("CANARY");
    expect(text).toContain("TypeError");
    expect(text).toContain("22P02");
    expect(text).toContain("logging.test");
  });

  test("ends, also when it causes itself", () => {
    const error = new Error("x");
    error.cause = error;
    expect(JSON.stringify(safeError(error)).length).toBeLessThan(20_000);
  });

  test("of something that is no error is its type", () => {
    expect(safeError(canary)).toEqual({ name: "string" });
  });
});

async function withRenamed<T>(table: string, work: () => Promise<T>): Promise<T> {
  await api.db.rows("superuser", `alter table audit.${table} rename to renamed`);
  try {
    return await work();
  } finally {
    await api.db.rows("superuser", `alter table audit.renamed rename to ${table}`);
  }
}
