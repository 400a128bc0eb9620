import { describe, expect, test } from "vitest";
import { newId, useApi, type Answer } from "../support/api.ts";
import { hashSecret } from "../../services/keys/secret.ts";
import { expectProblem, newEvent, rowsHolding } from "./support.ts";

const api = useApi();

interface Write {
  what: string;
  path: string;
  body(tenant: string): unknown;
  other(tenant: string): unknown;
  /** How many rows hold the tenant's name after the first request. */
  rows: Record<string, number>;
}

const EVENT_ROWS = { audit_events: 1, audit_event_sequence: 1, audit_retention_policies: 1 };

const writes: Write[] = [
  {
    what: "one event",
    path: "/audit/log",
    body: (ws) => newEvent(ws),
    other: (ws) => newEvent(ws, { resourceId: "other" }),
    rows: EVENT_ROWS,
  },
  {
    what: "a batch",
    path: "/audit/log/batch",
    body: (ws) => ({ events: [newEvent(ws), newEvent(ws)] }),
    other: (ws) => ({ events: [newEvent(ws)] }),
    rows: { ...EVENT_ROWS, audit_events: 2 },
  },
  {
    what: "a key",
    path: "/keys",
    body: (name) => ({ name, scopes: ["events:read"] }),
    other: (name) => ({ name, scopes: ["jobs:read"] }),
    rows: { api_keys: 1, audit_events: 1, idempotency_keys: 1 },
  },
];

describe.each(writes)("$what", ({ path, body, other, rows }) => {
  const send = (tenant: string, idempotencyKey: string, sent = body(tenant), key?: string): Promise<Answer> =>
    api.call("POST", path, {
      body: sent,
      headers: { "idempotency-key": idempotencyKey },
      ...(key ? { key } : {}),
    });
  const withoutSecret = (answer: Answer) => ({ ...answer.body, secret: null });

  test("sent again with its key is answered the same and written once", async () => {
    const [tenant, key] = [newId("idem"), newId("k")];
    const first = await send(tenant, key);
    expect([first.status, first.headers.has("idempotent-replay")]).toEqual([201, false]);
    for (let i = 0; i < 3; i++) {
      const again = await send(tenant, key);
      expect([again.status, again.headers.get("idempotent-replay")]).toEqual([201, "true"]);
      expect(withoutSecret(again)).toEqual(withoutSecret(first));
    }
    expect(await rowsHolding(api.db, tenant)).toEqual(rows);
  });

  test("with the key of another payload is a 422 and writes nothing", async () => {
    const [tenant, key] = [newId("idem"), newId("k")];
    await send(tenant, key);
    expectProblem(await send(tenant, key, other(tenant)), 422, "idempotency_key_reused");
    expect(await rowsHolding(api.db, tenant)).toEqual(rows);
  });

  test("is a 409 while the first runs, and free again when that one fails", async () => {
    const [tenant, key, secret] = [newId("idem"), newId("k"), await api.mintKey()];
    const client = await api.db.pool("app").connect();
    try {
      await client.query("begin");
      await client.query(
        "select begin_idempotent(id, $2, sha256('x')) from api_keys where secret_hash = $1",
        [hashSecret(secret), key],
      );
      const answer = await send(tenant, key, body(tenant), secret);
      expectProblem(answer, 409, "request_running");
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(await rowsHolding(api.db, tenant)).toEqual({});
      expect((await send(newId("idem"), key)).status).toBe(201);
    } finally {
      await client.query("rollback");
      client.release();
    }
    expect((await send(tenant, key, body(tenant), secret)).status).toBe(201);
  });

  test("twenty times at once is written once; all who are not told to wait get the same", async () => {
    const [tenant, key] = [newId("idem"), newId("k")];
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(tenant, key)));
    const done = answers.filter((one) => one.status === 201);
    for (const one of answers) if (one.status !== 201) expectProblem(one, 409, "request_running");
    const [first] = done.map(withoutSecret);
    for (const one of done) expect(withoutSecret(one)).toEqual(first);
    expect(done.filter((one) => !one.headers.has("idempotent-replay"))).toHaveLength(1);
    expect(await rowsHolding(api.db, tenant)).toEqual(rows);
  });

  test("with two payloads at once stores one of them, once, and refuses the other", async () => {
    const [tenant, key] = [newId("idem"), newId("k")];
    const payloads = [body(tenant), other(tenant)];
    const answers = await Promise.all(
      Array.from({ length: 24 }, async (_, i) => ({
        i: i % 2,
        answer: await send(tenant, key, payloads[i % 2]),
      })),
    );
    const [won] = answers.filter(
      (one) => one.answer.status === 201 && !one.answer.headers.has("idempotent-replay"),
    );
    const lost = answers.filter((one) => one.i !== won?.i).map((one) => one.answer);
    for (const answer of lost) {
      const code = answer.status === 409 ? "request_running" : "idempotency_key_reused";
      expectProblem(answer, answer.status === 409 ? 409 : 422, code);
    }
    expect(answers.filter((one) => one.answer.status === 201 && one.i !== won?.i)).toEqual([]);
    expect(
      answers.filter((one) => one.answer.status === 201 && !one.answer.headers.has("idempotent-replay")),
    ).toHaveLength(1);
    const again = await send(tenant, key, payloads[won?.i ?? 0]);
    expect([again.status, withoutSecret(again)]).toEqual([201, withoutSecret(won?.answer as Answer)]);
    expect(Object.keys(await rowsHolding(api.db, tenant)).toSorted()).toEqual(Object.keys(rows).toSorted());
  });

  test("is another request when another API key sends it", async () => {
    const [tenant, key] = [newId("idem"), newId("k")];
    const [first, second] = [
      await send(tenant, key),
      await send(tenant, key, body(tenant), await api.mintKey()),
    ];
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(withoutSecret(second)).not.toEqual(withoutSecret(first));
  });

  test("is a new request after 24 hours", async () => {
    const [tenant, key] = [newId("idem"), newId("k")];
    const first = await send(tenant, key);
    const age = (hours: number) =>
      api.db.asOwner(
        "update idempotency_keys set created_at = now() - make_interval(hours => $2) where idempotency_key = $1",
        [key, hours],
      );
    await age(23);
    expect(withoutSecret(await send(tenant, key))).toEqual(withoutSecret(first));
    await age(25);
    const later = await send(tenant, key, other(tenant));
    expect([later.status, later.headers.has("idempotent-replay")]).toEqual([201, false]);
    expect(withoutSecret(later)).not.toEqual(withoutSecret(first));
  });
});

test("a refused request is not kept: mended, it may use its key again", async () => {
  const [ws, key] = [newId("ws"), newId("k")];
  const headers = { "idempotency-key": key };
  await api.call("POST", "/audit/log", { body: newEvent(ws, { eventId: "e-1" }) });
  const clash = newEvent(ws, { eventId: "e-1", resourceId: "other" });
  for (const path of ["/audit/log", "/audit/log/batch"]) {
    const body = path.endsWith("batch") ? { events: [clash] } : clash;
    expectProblem(await api.call("POST", path, { body, headers }), 409, "conflict");
    expectProblem(await api.call("POST", path, { body: {}, headers }), 400, "invalid_request");
  }
  const missing = await api.call("POST", "/jobs/no-such-job/run", { headers });
  expectProblem(missing, 404, "not_found");
  expect(
    await api.db.rows("superuser", "select from audit.idempotency_keys where idempotency_key = $1", [key]),
  ).toEqual([]);
  expect((await api.call("POST", "/audit/log", { body: newEvent(ws), headers })).status).toBe(201);
});

test("one key for two routes, methods or queries is a 422", async () => {
  const [ws, key] = [newId("ws"), newId("k")];
  const headers = { "idempotency-key": key };
  await api.call("PUT", `/trails/${ws}`, { body: { projectId: ws, model: "m", contextLayers: 1 } });
  const body = { model: "m2" };
  const patch = (query: string) => api.call("PATCH", `/trails/${ws}${query}`, { body, headers });
  expect((await patch(`?projectId=${ws}`)).status).toBe(200);
  expect((await patch(`?projectId=${ws}`)).status).toBe(200);
  expectProblem(await patch(""), 422, "idempotency_key_reused");
  expectProblem(await patch(`?projectId=${ws}x`), 422, "idempotency_key_reused");
  expectProblem(
    await api.call("POST", "/audit/log", { body: newEvent(ws), headers }),
    422,
    "idempotency_key_reused",
  );
});

test("a job asked for twice with one key runs once, and the workflow engine hears of it once", async () => {
  const headers = { "idempotency-key": newId("k") };
  const run = () => api.call("POST", "/jobs/trail-cleanup/run", { headers });
  const [first, again] = [await run(), await run()];
  expect([first.status, again.status]).toEqual([202, 202]);
  expect(again.body).toEqual(first.body);
  expect(again.headers.get("location")).toBe(first.headers.get("location"));
  expect(api.engine.sent.filter((one) => one.id === first.body.id)).toHaveLength(1);
  expect(await api.db.rows("app", "select from job_runs where id = $1", [first.body.id])).toHaveLength(1);
  const other = await api.call("POST", "/jobs/trail-cleanup/run");
  expect(other.body.id).not.toBe(first.body.id);
});
