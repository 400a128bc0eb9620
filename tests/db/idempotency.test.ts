import { beforeAll, expect, test } from "vitest";
import { useDatabase } from "../support/database.ts";
import { event, failure, one, withClient } from "./helpers.ts";

const db = useDatabase();
let keyId: string;

beforeAll(async () => {
  const row = await one<{ id: string }>(
    db.pool("app"),
    `insert into audit.api_keys (name, user_id, secret_hash, secret_prefix, scopes, created_by_user_id)
     values ('test', 'u-1', sha256('x'), 'ai_', '{all}', 'u-1') returning id`,
  );
  keyId = row.id;
});

const ingest = (key: string, hash: string, events: unknown[]) =>
  one<{ state: string; results: { id: string; duplicate: boolean }[] | null }>(
    db.pool("app"),
    "select * from ingest_audit_events($1, $2, $3, sha256($4))",
    [JSON.stringify(events), keyId, key, Buffer.from(hash)],
  );

test("the same request again is answered with the first answer and stores nothing", async () => {
  const first = await ingest("once", "a", [event({ workspace_id: "ws-once" })]);
  const again = await ingest("once", "a", [event({ workspace_id: "ws-once" })]);
  expect(first.state).toBe("new");
  expect(again).toEqual({ state: "replay", results: first.results });
  const { n } = await one(
    db.pool("app"),
    "select count(*)::int as n from audit.audit_events where workspace_id = 'ws-once'",
  );
  expect(n).toBe(1);
});

test("another request under the same key is a mismatch and stores nothing", async () => {
  await ingest("taken", "a", [event({ workspace_id: "ws-taken" })]);
  expect(await ingest("taken", "b", [event({ workspace_id: "ws-taken" })])).toEqual({
    state: "mismatch",
    results: null,
  });
  const { n } = await one(
    db.pool("app"),
    "select count(*)::int as n from audit.audit_events where workspace_id = 'ws-taken'",
  );
  expect(n).toBe(1);
});

test("while the first request runs the second is told so, at once", async () => {
  await withClient(db, "app", async (client) => {
    await client.query("begin");
    await client.query("select * from begin_idempotent($1, 'busy', sha256('a'))", [keyId]);
    expect(await ingest("busy", "a", [event()])).toEqual({ state: "running", results: null });
    await client.query("rollback");
  });
  expect((await ingest("busy", "a", [event()])).state).toBe("new");
});

test("a request raced by twenty callers is stored once; every caller gets that answer or hears that it runs", async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => ingest("raced", "a", [event({ workspace_id: "ws-raced" })])),
  );
  expect(answers.filter((answer) => answer.state === "new").length).toBe(1);
  expect(new Set(answers.map((answer) => answer.state)).size).toBeGreaterThan(1);
  const ids = new Set(answers.flatMap((answer) => answer.results ?? []).map((result) => result.id));
  expect(ids.size).toBe(1);
  const { n } = await one(
    db.pool("app"),
    "select count(*)::int as n from audit.audit_events where workspace_id = 'ws-raced'",
  );
  expect(n).toBe(1);
});

test("a request that fails leaves its key free", async () => {
  expect((await failure(ingest("failed", "a", [event({ action_type: "" })]))).constraint).toContain(
    "check_action_type",
  );
  expect((await ingest("failed", "b", [event()])).state).toBe("new");
});

test("a clash of event ids answers AF409 and stores nothing of its batch", async () => {
  await ingest("clash-1", "a", [event({ workspace_id: "ws-clash", event_id: "e-1" })]);
  const failed = await failure(
    ingest("clash-2", "b", [
      event({ workspace_id: "ws-clash" }),
      event({ workspace_id: "ws-clash", event_id: "e-1", tags: ["x"] }),
    ]),
  );
  expect(failed.code).toBe("AF409");
  const { n } = await one(
    db.pool("app"),
    "select count(*)::int as n from audit.audit_events where workspace_id = 'ws-clash'",
  );
  expect(n).toBe(1);
});

test("a key of another caller is another key", async () => {
  const other = await one<{ id: string }>(
    db.pool("app"),
    `insert into audit.api_keys (name, user_id, secret_hash, secret_prefix, scopes, created_by_user_id)
     values ('other', 'u-2', sha256('y'), 'ai_', '{all}', 'u-2') returning id`,
  );
  await ingest("shared", "a", [event()]);
  const row = await one(db.pool("app"), "select state from begin_idempotent($1, 'shared', sha256('b'))", [
    other.id,
  ]);
  expect(row.state).toBe("new");
});

test("after 24 hours the key is free, and the sweep removes a bounded number of old answers only", async () => {
  await db.rows(
    "superuser",
    `insert into audit.idempotency_keys (key_id, idempotency_key, request_hash, status, created_at)
     select $1, 'old-' || i, sha256('a'), 201, now() - interval '25 hours' from generate_series(1, 7) i`,
    [keyId],
  );
  const row = await one(db.pool("app"), "select state from begin_idempotent($1, 'old-1', sha256('z'))", [
    keyId,
  ]);
  expect(row.state).toBe("new");
  await ingest("young", "a", [event()]);
  const swept = async () =>
    (await one<{ n: number }>(db.pool("worker"), "select sweep_idempotency_keys(4) as n")).n;
  expect([await swept(), await swept(), await swept()]).toEqual([4, 2, 0]);
  expect((await ingest("young", "a", [event()])).state).toBe("replay");
});
