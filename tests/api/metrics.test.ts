import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { createApp } from "../../api/_http/create-app.ts";
import { schedules } from "../../lib/schedules.ts";
import { createAuthenticator } from "../../services/keys/authenticate.ts";
import { scopes } from "../../services/keys/scopes.ts";
import { caller, newId, useApi, type CallOptions } from "../support/api.ts";
import { parseExposition } from "../support/exposition.ts";
import { expectProblem, newEvent } from "./support.ts";

const api = useApi();

type Families = ReturnType<typeof parseExposition>;

/** A scrape that reads the database now: by an app of its own, which shares no earlier reading. */
async function scrape(quiet = false): Promise<Families> {
  const key = await api.mintKey({ scopes: ["metrics:read"] });
  const app = createApp({ ...api.runtime, quiet });
  const answer = await caller(app, key)("GET", "/metrics");
  expect(answer.status).toBe(200);
  return parseExposition(answer.body);
}

function valueOf(families: Families, name: string, labels: Record<string, string> = {}): number | undefined {
  const found = families
    .get(name)
    ?.samples.filter((one) => Object.entries(labels).every(([label, value]) => one.labels[label] === value));
  if (found && found.length > 1) throw new Error(`${name} has several such series`);
  return found?.[0]?.value;
}

describe("GET /metrics", () => {
  test("answers Prometheus' text, whatever the request would accept, and each family has a help", async () => {
    const key = await api.mintKey({ scopes: ["metrics:read"] });
    for (const accept of ["application/openmetrics-text; version=1.0.0", "application/json", "*/*"]) {
      const { status, headers, body } = await api.call("GET", "/metrics", { key, headers: { accept } });
      expect(status).toBe(200);
      expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
      expect(headers.get("cache-control")).toBe("no-store");
      const families = parseExposition(body);
      for (const [name, { help }] of families)
        expect([name, help]).toEqual([name, expect.stringMatching(/\w/)]);
      expect(valueOf(families, "afterimage_database_up")).toBe(1);
    }
  });

  test("tells series of the process, with its id, from those of the database, without", async () => {
    for (const [name, { samples }] of await scrape()) {
      const isOfDatabase =
        /^afterimage_(database|workflow|job|partition|alerts|notifications|trails_rollup)_/;
      const expected = isOfDatabase.test(name) ? undefined : api.runtime.metrics.instance;
      for (const { labels } of samples) expect([name, labels.instance]).toEqual([name, expected]);
    }
  });

  test("is refused to a stranger, and to a key without its scope", async () => {
    expectProblem(await api.call("GET", "/metrics", { key: null }), 401, "unauthenticated");
    const key = await api.mintKey({ scopes: scopes.filter((scope) => scope !== "metrics:read") });
    expectProblem(await api.call("GET", "/metrics", { key }), 403, "forbidden");
  });

  test.each([{ workspaces: ["ws-1"] }, { projects: ["proj-1"] }])(
    "is refused to a key that is limited to %o",
    async (limits) => {
      expectProblem(await api.call("GET", "/metrics", { key: await api.mintKey(limits) }), 403, "forbidden");
    },
  );

  test("is refused within the promised time to a key that was revoked after it had scraped", async () => {
    const { secret, key } = (
      await api.call("POST", "/keys", { body: { name: "k", scopes: ["metrics:read"] } })
    ).body;
    const { runtime } = api;
    // As after its cache has run out: every request asks the database.
    const authenticate = (...args: Parameters<typeof runtime.authenticate>) =>
      createAuthenticatorWithoutCache()(...args);
    const call = caller(createApp({ ...runtime, authenticate }), secret);
    expect((await call("GET", "/metrics")).status).toBe(200);
    await api.call("DELETE", `/keys/${key.id}`);
    expectProblem(await call("GET", "/metrics"), 401, "unauthenticated");
  });
});

function createAuthenticatorWithoutCache() {
  return createAuthenticator(() => 0);
}

describe("numbers of the database", () => {
  test("are the requests that no workflow has picked up, and the age of the oldest", async () => {
    const before = await scrape();
    expect(valueOf(before, "afterimage_workflow_requests_waiting")).toBe(0);
    expect(valueOf(before, "afterimage_workflow_request_oldest_seconds")).toBe(0);
    await api.db.rows(
      "app",
      `insert into workflow_requests (event_id, event_name, data, created_at, picked_up_at)
       select gen_random_uuid(), 'audit/x.requested', '{}', now() - make_interval(mins => n), case when n > 5 then now() end
       from generate_series(1, 9) n`,
    );
    const after = await scrape();
    expect(valueOf(after, "afterimage_workflow_requests_waiting")).toBe(5);
    const oldest = valueOf(after, "afterimage_workflow_request_oldest_seconds");
    expect(oldest).toBeGreaterThanOrEqual(300);
    expect(oldest).toBeLessThan(330);
  });

  test("are every schedule's last success, lateness, pause and running time", async () => {
    const [late, paused, running, fresh] = schedules.map((one) => one.id);
    const fresher = await scrape();
    for (const { id: job } of schedules) {
      expect(valueOf(fresher, "afterimage_job_seconds_since_success", { job })).toBeUndefined();
      for (const name of ["late", "paused", "running_seconds"])
        expect([job, name, valueOf(fresher, `afterimage_job_${name}`, { job })]).toEqual([job, name, 0]);
    }
    await api.db.rows("worker", "update job_schedules set last_success_at = now() - interval '90 seconds'");
    await api.db.rows(
      "worker",
      "update job_schedules set last_success_at = now() - interval '3 days', watched_since = now() - interval '9 days' where job_id = $1",
      [late],
    );
    await api.db.rows("worker", "update job_schedules set paused_at = now() where job_id = $1", [paused]);
    await api.db.rows(
      "worker",
      `insert into job_runs (job_id, trigger, status, created_at, started_at, engine_run_id) values
       ($1, 'schedule', 'running', now() - interval '2 minutes', now() - interval '2 minutes', 'r-1'),
       ($1, 'manual', 'requested', now(), null, null)`,
      [running],
    );
    const families = await scrape();
    const value = (name: string, job = "") => valueOf(families, `afterimage_job_${name}`, { job });
    expect(value("seconds_since_success", fresh)).toBeGreaterThanOrEqual(90);
    expect(value("seconds_since_success", fresh)).toBeLessThan(150);
    expect(value("seconds_since_success", late)).toBeGreaterThan(2 * 86_400);
    expect([late, paused, running, fresh].map((job) => value("late", job))).toEqual([1, 0, 0, 0]);
    expect([late, paused, running, fresh].map((job) => value("paused", job))).toEqual([0, 1, 0, 0]);
    expect(value("running_seconds", running)).toBeGreaterThanOrEqual(120);
    expect(value("running_seconds", fresh)).toBe(0);
    expect(valueOf(await scrape(true), "afterimage_job_late", { job: late ?? "" })).toBe(0);
  });

  test("are the months ahead of each partitioned table, and whether this one is there", async () => {
    const families = await scrape();
    const table = "audit_events";
    expect(valueOf(families, "afterimage_partition_months_ahead", { table })).toBe(3);
    expect(valueOf(families, "afterimage_partition_covers_now", { table })).toBe(1);
    const [month] = await api.db.rows<{ name: string }>(
      "admin",
      "select 'audit_events_' || to_char(now() at time zone 'UTC', 'YYYY_MM') as name",
    );
    await api.db.asOwner(`alter table audit_events detach partition ${month?.name}`);
    try {
      const without = await scrape();
      expect(valueOf(without, "afterimage_partition_months_ahead", { table })).toBe(0);
      expect(valueOf(without, "afterimage_partition_covers_now", { table })).toBe(0);
    } finally {
      await api.db.rows("admin", "select audit.create_monthly_audit_partition()");
    }
  });

  test("are the open alerts by severity, both shown, and the messages still to be delivered", async () => {
    const open = (families: Families, severity: string) =>
      valueOf(families, "afterimage_alerts_open", { severity });
    const before = await scrape();
    expect([open(before, "warning"), open(before, "critical")]).toEqual([0, 0]);
    const [alert] = await api.db.rows<{ id: string }>(
      "worker",
      `insert into alerts (code, subject, severity, message, resolved_at) values
       ('a', 'one', 'critical', 'm', null), ('a', 'two', 'critical', 'm', null), ('a', 'old', 'warning', 'm', now())
       returning id`,
    );
    await api.db.rows(
      "worker",
      `insert into alert_notifications (request_id, channel, alert_id, kind, delivered_at, given_up_at)
       select gen_random_uuid(), 'mail', $1, 'raised', case when n = 1 then now() end, case when n = 2 then now() end
       from generate_series(1, 5) n`,
      [alert?.id],
    );
    const after = await scrape();
    expect([open(after, "warning"), open(after, "critical")]).toEqual([0, 2]);
    expect(valueOf(after, "afterimage_notifications_undelivered")).toBe(3);
  });

  test("are how long the roll-up has left a trail uncounted", async () => {
    const timestamp = new Date(Date.now() - 3_600_000).toISOString();
    const body = { projectId: newId("proj"), model: "m", contextLayers: 1, timestamp };
    expect((await api.call("PUT", `/trails/${newId("msg")}`, { body })).status).toBe(201);
    const name = "afterimage_trails_rollup_oldest_seconds";
    expect(valueOf(await scrape(), name)).toBeGreaterThanOrEqual(3_600);
    await api.db.asOwner("delete from audit_trails");
    expect(valueOf(await scrape(), name)).toBe(0);
  });
});

/** By how much an ingest counter grew while `work` ran. */
async function grownBy(counter: "events_ingested" | "trails_written", work: () => Promise<unknown>) {
  const read = async () => valueOf(await scrape(), `afterimage_${counter}_total`) ?? NaN;
  const before = await read();
  await work();
  return (await read()) - before;
}

describe("ingest is counted as it was stored", () => {
  const post = (path: string, body: unknown, options: CallOptions = {}) =>
    api.call("POST", path, { body, ...options });

  test("an event is one, a batch of 1,000 is 1,000", async () => {
    const ws = newId("ws");
    expect(await grownBy("events_ingested", () => post("/audit/log", newEvent(ws)))).toBe(1);
    const events = Array.from({ length: 1_000 }, () => newEvent(ws));
    expect(await grownBy("events_ingested", () => post("/audit/log/batch", { events }))).toBe(1_000);
  });

  test("what was stored before counts once: by its Idempotency-Key, and by its eventId", async () => {
    const ws = newId("ws");
    const headers = { "idempotency-key": newId("key") };
    const grown = await grownBy("events_ingested", async () => {
      const answers = [];
      for (let n = 0; n < 3; n++) answers.push(await post("/audit/log", newEvent(ws), { headers }));
      expect(answers.map((one) => one.status)).toEqual([201, 201, 201]);
    });
    expect(grown).toBe(1);
    const known = newEvent(ws, { eventId: newId("event") });
    await post("/audit/log", known);
    const events = [newEvent(ws), known, newEvent(ws)];
    expect(await grownBy("events_ingested", () => post("/audit/log/batch", { events }))).toBe(2);
    expect(await grownBy("events_ingested", () => post("/audit/log", known))).toBe(0);
  });

  test("what is refused does not count", async () => {
    const ws = newId("ws");
    const eventId = newId("event");
    const readOnly = await api.mintKey({ scopes: ["events:read"] });
    const foreign = await api.mintKey({ workspaces: [newId("ws")] });
    await post("/audit/log", newEvent(ws, { eventId }));
    const grown = await grownBy("events_ingested", async () => {
      const statuses = [
        await post("/audit/log", newEvent(ws, { actionType: "" })),
        await post("/audit/log", newEvent(ws), { key: readOnly }),
        await post("/audit/log", newEvent(ws), { key: foreign }),
        await post("/audit/log/batch", {
          events: [newEvent(ws), newEvent(ws, { eventId, actionType: "X" })],
        }),
      ].map((one) => one.status);
      expect(statuses).toEqual([400, 403, 404, 409]);
    });
    expect(grown).toBe(0);
  });

  test("a trail counts for each write that changed it, and not when it was so already or is refused", async () => {
    const path = `/trails/${newId("msg")}`;
    const projectId = newId("proj");
    const body = { projectId, model: "m", contextLayers: 1 };
    const put = (more: object = {}, options: CallOptions = {}) =>
      api.call("PUT", path, { body: { ...body, ...more }, ...options });
    const patch = (fields: object, options: CallOptions = {}) =>
      api.call("PATCH", path, { body: { projectId, ...fields }, ...options });
    const counts = [
      await grownBy("trails_written", () => put()),
      await grownBy("trails_written", () => put()),
      await grownBy("trails_written", () => patch({ tokens: { prompt: 1, completion: 2 } })),
      await grownBy("trails_written", () => patch({ model: "m" })),
      await grownBy("trails_written", () => put({ contextLayers: -1 })),
    ];
    expect(counts).toEqual([1, 0, 1, 0, 0]);
    const headers = { "idempotency-key": newId("key") };
    const twice = async () => {
      await patch({ model: "n" }, { headers });
      expect((await patch({ model: "n" }, { headers })).headers.get("idempotent-replay")).toBe("true");
    };
    expect(await grownBy("trails_written", twice)).toBe(1);
  });
});

describe("labels hold what we know, never what was sent", () => {
  const series = async () => {
    const families = await scrape();
    const { samples = [] } = families.get("afterimage_http_requests_total") ?? {};
    return new Set(samples.map(({ labels }) => `${labels.method} ${labels.route} ${labels.status}`));
  };

  test("a thousand hostile paths and methods add a handful of series", async () => {
    const before = await series();
    const canary = newId("CANARY");
    for (let n = 0; n < 250; n++) {
      const own = `${canary}-${n}`;
      await api.call("GET", `/${own}`);
      await api.call("GET", `/audit/events/${own}%22%7D%0A`);
      await api.call("GET", `/keys?${own}=${own}`, { headers: { "x-http-method-override": own } });
      await api.app.request(`http://localhost/api/trails/${own}/%00/..%2f`, { method: `X${n}` });
    }
    const added = [...(await series())].filter((one) => !before.has(one));
    expect(added.length).toBeLessThanOrEqual(6);
    expect([...added].join()).not.toContain("CANARY");
    expect(added).toContain("other none 404");
  });

  test("each request counts under its route and status, refusals as well", async () => {
    const count = async (method: string, route: string, status: number) =>
      valueOf(await scrape(), "afterimage_http_requests_total", { method, route, status: String(status) }) ??
      0;
    for (const [method, path, route, status] of [
      ["GET", "/jobs/trail-rollup", "/jobs/:id", 200],
      ["GET", "/audit/events/x", "/audit/events/:id", 400],
      ["DELETE", "/audit/events", "/audit/events", 405],
      ["PUT", "/nowhere", "none", 404],
      ["GET", "/health", "/health", 200],
    ] as const) {
      const before = await count(method, route, status);
      await api.call(method, path);
      expect([method, path, (await count(method, route, status)) - before]).toEqual([method, path, 1]);
    }
  });
});

test("docs/METRICS.md names every metric that there is, and no other", async () => {
  const page = fs.readFileSync(path.resolve(import.meta.dirname, "../../docs/METRICS.md"), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| `"));
  const named = rows.flatMap((row) =>
    [...(row.split(" | ")[0] ?? "").matchAll(/`([a-z_]+)(?:\{([a-z,]+)\})?`/g)].map(
      ([, name, labels = ""]) => [name, labels.split(",").filter(Boolean).toSorted()],
    ),
  );
  await api.db.rows("worker", "update job_schedules set last_success_at = now()");
  const own = new Set(["instance", "le"]);
  const shown = [...(await scrape())].map(([name, { samples }]) => [
    name,
    Object.keys(samples[0]?.labels ?? {})
      .filter((label) => !own.has(label))
      .toSorted(),
  ]);
  const byName = (a: unknown[], b: unknown[]) => String(a[0]).localeCompare(String(b[0]));
  expect(named.toSorted(byName)).toEqual(shown.toSorted(byName));
});
