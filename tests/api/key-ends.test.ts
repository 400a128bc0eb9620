import { describe, expect, test } from "vitest";
import { createAuthenticator } from "../../services/keys/authenticate.ts";
import { scopes } from "../../services/keys/scopes.ts";
import { newId, useApi } from "../support/api.ts";
import { expectProblem } from "./support.ts";

const api = useApi();

const mint = (body: object) =>
  api.call("POST", "/keys", { body: { name: "k", scopes: ["events:read"], ...body } });
const works = async (key: string) => (await api.call("GET", "/audit/events", { key })).status === 200;

describe("revoking", () => {
  test("ends a key within 30 s on every process that has it cached, and logs it once", async () => {
    const { key, secret } = (await mint({})).body;
    let now = Date.now();
    const elsewhere = createAuthenticator(() => now);
    const ask = () => elsewhere(api.runtime.app.db, `Bearer ${secret}`);
    await ask();
    const revoke = () => api.call("DELETE", `/keys/${key.id}`);
    const [first, second] = [await revoke(), await revoke()];
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.body).toEqual(first.body);
    now += 30_000;
    await expect(ask()).rejects.toMatchObject({ code: "unauthenticated" });
    const events = await api.db.rows(
      "app",
      "select action_type from audit_events where resource_id = $1 and action_type = 'REVOKE_API_KEY'",
      [key.id],
    );
    expect(events).toHaveLength(1);
  });

  test("a cached key ends when it expires, not when the cache does", async () => {
    const expiresAt = new Date(Date.now() + 5_000);
    const secret = await api.mintKey({ expiresAt });
    let now = Date.now();
    const authenticate = createAuthenticator(() => now);
    await authenticate(api.runtime.app.db, `Bearer ${secret}`);
    now = expiresAt.getTime();
    await expect(authenticate(api.runtime.app.db, `Bearer ${secret}`)).rejects.toMatchObject({
      code: "unauthenticated",
    });
  });

  test("a key in the cache costs no query, and notes its use once a minute", async () => {
    const { key, secret } = (await mint({})).body;
    expect(key.lastUsedAt).toBeNull();
    await works(secret);
    const lastUsed = async () =>
      (
        await api.db.rows<{ at: Date }>("app", "select last_used_at as at from api_keys where id = $1", [
          key.id,
        ])
      )[0]?.at;
    const at = await lastUsed();
    expect(Math.abs((at?.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
    let now = Date.now();
    const authenticate = createAuthenticator(() => now);
    const ask = () => authenticate(api.runtime.app.db, `Bearer ${secret}`);
    await ask();
    expect(await lastUsed()).toEqual(at);
    await api.db.rows(
      "app",
      "update api_keys set last_used_at = now() - interval '2 minutes' where id = $1",
      [key.id],
    );
    const old = await lastUsed();
    await ask();
    expect(await lastUsed()).toEqual(old);
    now += 30_000;
    await ask();
    expect((await lastUsed())?.getTime()).toBeGreaterThan(old?.getTime() ?? Infinity);
  });
});

describe("POST /keys/:id/rotate", () => {
  const rotate = (id: string, body: object, key?: string) =>
    api.call("POST", `/keys/${id}/rotate`, { body, ...(key ? { key } : {}) });

  test("the new key has the old one's rights; both work until the overlap ends", async () => {
    const granted = { scopes: ["events:read", "jobs:read"], workspaces: ["ws-a"], userId: newId("user") };
    const old = (await mint(granted)).body;
    const { status, body } = await rotate(old.key.id, { overlapSeconds: 60 });
    expect(status).toBe(201);
    expect(body.key).toMatchObject({ ...granted, rotatedFrom: old.key.id, expiresAt: null });
    expect([await works(old.secret), await works(body.secret)]).toEqual([true, true]);
    let now = Date.now();
    const authenticate = createAuthenticator(() => now);
    const ask = (secret: string) => authenticate(api.runtime.app.db, `Bearer ${secret}`);
    expect((await ask(old.secret)).keyId).toBe(old.key.id);
    now += 61_000;
    await expect(ask(old.secret)).rejects.toMatchObject({ code: "unauthenticated" });
    expect((await ask(body.secret)).keyId).toBe(body.key.id);
  });

  test("an end that was nearer than the overlap stays", async () => {
    const expiresAt = new Date(Date.now() + 5_000).toISOString();
    const old = (await mint({ expiresAt })).body;
    await rotate(old.key.id, { overlapSeconds: 3_600 });
    const list = await api.call("GET", "/keys?limit=2");
    const kept = list.body.items.find((one: { id: string }) => one.id === old.key.id);
    expect(kept.expiresAt).toBe(expiresAt);
  });

  test("a key with more scopes than one's own, or a revoked one, cannot be rotated", async () => {
    const strong = (await mint({ scopes: [...scopes] })).body.key;
    const weak = await api.mintKey({ scopes: ["keys:manage", "events:read"] });
    expectProblem(await rotate(strong.id, {}, weak), 403, "forbidden");
    await api.call("DELETE", `/keys/${strong.id}`);
    expectProblem(await rotate(strong.id, {}), 409, "conflict");
    const [{ count } = { count: -1 }] = await api.db.rows<{ count: number }>(
      "app",
      "select count(*)::int from api_keys where rotated_from = $1",
      [strong.id],
    );
    expect(count).toBe(0);
  });
});
