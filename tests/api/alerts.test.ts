import { describe, expect, test } from "vitest";
import { raiseAlert, resolveAlert, type NewAlert } from "../../services/alerts/raise.ts";
import { BURST_REFUSALS } from "../../services/alerts/refusals.ts";
import { workerContext } from "../../services/runtime.ts";
import { newId, useApi } from "../support/api.ts";
import { expectProblem } from "./support.ts";

const api = useApi();
const ctx = () => workerContext(api.runtime);

async function raise(more: Partial<NewAlert> = {}): Promise<{ id: string; alert: NewAlert }> {
  const alert = {
    code: "job.stuck",
    subject: newId("job"),
    severity: "warning",
    message: "m",
    ...more,
  } as const;
  await raiseAlert(ctx(), alert);
  const [row] = await api.db.rows<{ id: string }>("app", "select id from alerts where subject = $1", [
    alert.subject,
  ]);
  return { id: row?.id as string, alert };
}

const notify = (alertId: string, channel: string, set: string) =>
  api.db.rows(
    "worker",
    `insert into alert_notifications (request_id, channel, alert_id, kind, attempts, last_error, delivered_at, given_up_at)
     select gen_random_uuid(), $2, $1, 'raised', ${set}`,
    [alertId, channel],
  );

const idsOf = (body: { items: { id: string }[] }) => body.items.map((one) => one.id);

describe("GET /alerts", () => {
  test("shows alerts newest first, with where to read on and how their messages fare", async () => {
    const { id: older } = await raise();
    const { id, alert } = await raise({ severity: "critical", details: { runId: "r-1" } });
    await notify(id, "mail", "3, 'HTTP 500', null::timestamptz, null::timestamptz");
    await notify(id, "webhook:0123456789ab", "1, 'HTTP 410', null::timestamptz, now()");
    await notify(older, "mail", "1, null, now(), null::timestamptz");
    const { status, body } = await api.call("GET", "/alerts?code=job.stuck&limit=2");
    expect(status).toBe(200);
    expect(idsOf(body)).toEqual([id, older]);
    expect(body.items[0]).toEqual({
      ...alert,
      id,
      status: "open",
      docs: "docs/ALERTS.md#jobstuck",
      raisedAt: expect.stringMatching(/Z$/),
      lastRaisedAt: expect.stringMatching(/Z$/),
      raiseCount: 1,
      acknowledgedAt: null,
      acknowledgedByUserId: null,
      resolvedAt: null,
      channels: [
        { channel: "mail", kind: "raised", state: "waiting" },
        { channel: "webhook:0123456789ab", kind: "raised", state: "given up" },
      ],
    });
    expect(body.items[1].channels).toEqual([{ channel: "mail", kind: "raised", state: "delivered" }]);
  });

  test("finds by status, code and severity", async () => {
    const code = "partitions.missing";
    const open = await raise({ code });
    const acknowledged = await raise({ code });
    await api.call("POST", `/alerts/${acknowledged.id}/acknowledge`);
    const resolved = await raise({ code, severity: "critical" });
    await resolveAlert(ctx(), code, resolved.alert.subject);
    const find = async (query: string) =>
      idsOf((await api.call("GET", `/alerts?code=${code}&${query}`)).body);
    expect(await find("status=open")).toEqual([open.id]);
    expect(await find("status=acknowledged")).toEqual([acknowledged.id]);
    expect(await find("status=resolved")).toEqual([resolved.id]);
    expect(await find("severity=warning")).toEqual([acknowledged.id, open.id]);
    expect(await find("severity=critical")).toEqual([resolved.id]);
  });

  test("goes on page by page, and only with the filters that the cursor was made for", async () => {
    const code = "schedule.late";
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.unshift((await raise({ code })).id);
    const seen: string[] = [];
    let cursor = "";
    do {
      const { body } = await api.call("GET", `/alerts?code=${code}&limit=2${cursor}`);
      seen.push(...idsOf(body));
      cursor = body.nextCursor === null ? "" : `&cursor=${body.nextCursor}`;
    } while (cursor !== "");
    expect(seen).toEqual(ids);
    const { body } = await api.call("GET", `/alerts?code=${code}&limit=2`);
    const other = await api.call("GET", `/alerts?code=job.stuck&limit=2&cursor=${body.nextCursor}`);
    expectProblem(other, 400, "invalid_cursor", "query.cursor");
  });

  test.each([
    "status=closed",
    "severity=low",
    "code=Job'--",
    "limit=0",
    "limit=1001",
    "since=now",
    "cursor=x",
  ])("refuses %s", async (query) => {
    expect((await api.call("GET", `/alerts?${query}`)).status).toBe(400);
  });
});

describe("GET /alerts/{id}", () => {
  test("shows every message, the newest first, with its attempts and what went wrong", async () => {
    const { id } = await raise();
    await notify(id, "mail", "3, 'HTTP 500', null::timestamptz, null::timestamptz");
    await notify(id, "mail", "1, null, now(), null::timestamptz");
    const { status, body } = await api.call("GET", `/alerts/${id}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id, status: "open" });
    expect(body.notifications).toMatchObject([
      { channel: "mail", state: "delivered", attempts: 1, deliveredAt: expect.stringMatching(/Z$/) },
      { channel: "mail", state: "waiting", attempts: 3, lastError: "HTTP 500", givenUpAt: null },
    ]);
    expect(Object.keys(body.notifications[0])).not.toContain("requestId");
  });

  test("that is not there is a 404", async () => {
    expectProblem(await api.call("GET", `/alerts/${crypto.randomUUID()}`), 404, "not_found");
    expect((await api.call("GET", "/alerts/1")).status).toBe(400);
  });
});

describe("POST /alerts/{id}/acknowledge", () => {
  const events = (id: string) =>
    api.db.rows(
      "app",
      "select * from audit_events where action_type = 'ACKNOWLEDGE_ALERT' and resource_id = $1",
      [id],
    );

  test("notes who looks after it, once, as an event in the same transaction", async () => {
    const { id, alert } = await raise();
    const key = await api.mintKey({ userId: "user-on-call" });
    const first = await api.call("POST", `/alerts/${id}/acknowledge`, { key });
    expect(first.status).toBe(200);
    expect(first.body).toMatchObject({ id, status: "acknowledged", acknowledgedByUserId: "user-on-call" });
    const again = await api.call("POST", `/alerts/${id}/acknowledge`);
    expect([again.status, again.body]).toEqual([200, first.body]);
    expect(await events(id)).toMatchObject([
      {
        workspace_id: "afterimage",
        created_by_user_id: "user-on-call",
        old_values: { acknowledgedAt: null },
        new_values: { acknowledgedAt: first.body.acknowledgedAt },
        metadata: { code: alert.code, subject: alert.subject },
      },
    ]);
  });

  test("by many at once is one event", async () => {
    const { id } = await raise();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => api.call("POST", `/alerts/${id}/acknowledge`)),
    );
    expect(new Set(answers.map((one) => one.body.acknowledgedAt)).size).toBe(1);
    expect(await events(id)).toHaveLength(1);
  });

  test("of a resolved alert is a conflict, and of none a 404", async () => {
    const { id, alert } = await raise();
    await resolveAlert(ctx(), alert.code, alert.subject);
    expectProblem(await api.call("POST", `/alerts/${id}/acknowledge`), 409, "conflict");
    expect(await events(id)).toEqual([]);
    const absent = await api.call("POST", `/alerts/${crypto.randomUUID()}/acknowledge`);
    expectProblem(absent, 404, "not_found");
  });

  test("is refused to a key that may only read", async () => {
    const { id } = await raise();
    const key = await api.mintKey({ scopes: ["alerts:read"] });
    expectProblem(await api.call("POST", `/alerts/${id}/acknowledge`, { key }), 403, "forbidden");
    expect((await api.call("GET", `/alerts/${id}`, { key })).body.status).toBe("open");
  });
});

test("a key of some tenants sees no alert and acknowledges none", async () => {
  const { id } = await raise();
  for (const limits of [{ workspaces: [newId("ws")] }, { projects: [newId("proj")] }]) {
    const key = await api.mintKey(limits);
    for (const [method, path] of [
      ["GET", "/alerts"],
      ["GET", `/alerts/${id}`],
      ["POST", `/alerts/${id}/acknowledge`],
    ] as const) {
      const answer = await api.call(method, path, { key });
      expectProblem(answer, 403, "forbidden");
      expect(answer.body.detail).toContain("without limits");
    }
  }
});

describe("a burst of refusals", () => {
  const burstsOf = (subject: string) =>
    api.db.rows(
      "app",
      "select * from vw_security_audit where action_type = 'ACCESS_REFUSED' and resource_id = $1",
      [subject],
    );

  test("of one key is one security event and one alert, however long it goes on, and answers stay the same", async () => {
    const { secret, keyId } = await readOnlyKey();
    const headers = { "x-real-ip": "192.0.2.7" };
    for (let i = 0; i < BURST_REFUSALS * 2; i++) {
      const answer = await api.call("POST", "/jobs/trail-rollup/run", { key: secret, headers });
      expectProblem(answer, 403, "forbidden");
    }
    const subject = `key:${keyId}`;
    expect(await burstsOf(subject)).toMatchObject([
      {
        workspace_id: "afterimage",
        created_by_user_id: "afterimage",
        metadata: {
          status: 403,
          count: BURST_REFUSALS,
          windowSeconds: 60,
          keyId,
          addresses: ["192.0.2.7"],
        },
      },
    ]);
    const { body } = await api.call("GET", "/alerts?code=access.refused");
    expect(body.items).toMatchObject([{ subject, raiseCount: 1, status: "open", details: { count: 30 } }]);
    expect(JSON.stringify(body.items)).not.toContain("192.0.2.7");
  });

  test("without a key is told of strangers together", async () => {
    for (let i = 0; i < BURST_REFUSALS; i++) await api.call("GET", "/alerts", { key: null });
    const [event] = await burstsOf("unauthenticated");
    expect(event?.metadata).toMatchObject({ status: 401, addresses: [] });
    expect(event?.metadata).not.toHaveProperty("keyId");
  });

  test("that cannot be written down is logged, and the answer is the same", async () => {
    const { secret, keyId } = await readOnlyKey();
    await api.db.rows("superuser", "revoke insert on audit.alerts from audit_app");
    try {
      for (let i = 0; i < BURST_REFUSALS; i++) {
        const answer = await api.call("POST", "/jobs/trail-rollup/run", { key: secret });
        expectProblem(answer, 403, "forbidden");
      }
    } finally {
      await api.db.rows("superuser", "grant insert on audit.alerts to audit_app");
    }
    // Neither half of it is there.
    expect(await burstsOf(`key:${keyId}`)).toEqual([]);
    expect(api.logs.filter((line) => line.includes("burst of refusals not written down"))).toHaveLength(1);
  });

  async function readOnlyKey() {
    const userId = newId("user");
    const secret = await api.mintKey({ userId, scopes: ["jobs:read"] });
    const [row] = await api.db.rows<{ id: string }>("app", "select id from api_keys where user_id = $1", [
      userId,
    ]);
    return { secret, keyId: row?.id as string };
  }
});
