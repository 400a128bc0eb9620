import { describe, expect, test } from "vitest";
import { createMetrics } from "../../lib/metrics.ts";
import { parseExposition } from "../support/exposition.ts";

const idle = { total: 0, idle: 0, waiting: 0 };
const make = () => createMetrics(() => ({ app: { total: 3, idle: 1, waiting: 2 }, worker: idle }));

const expose = async (metrics = make()) => parseExposition(await metrics.expose([]));

describe("the numbers of a process", () => {
  test("carry its own id, another one than any other process's", async () => {
    const [one, other] = [make(), make()];
    expect(one.instance).toMatch(/^[0-9a-f]{12}$/);
    expect(one.instance).not.toBe(other.instance);
    for (const [name, { samples }] of await expose(one)) {
      for (const { labels } of samples) expect([name, labels.instance]).toEqual([name, one.instance]);
    }
  });

  test("count and time each request by method, route and status, and another process's not", async () => {
    const [one, other] = [make(), make()];
    for (const [status, seconds] of [
      [200, 0.0007],
      [200, 0.3],
      [503, 20],
    ] as const) {
      one.observeRequest({ method: "GET", route: "/keys/:id", status, seconds });
    }
    const families = await expose(one);
    const counted = families.get("afterimage_http_requests_total");
    expect(counted?.samples.map(({ labels, value }) => [labels.status, value])).toEqual([
      ["200", 2],
      ["503", 1],
    ]);
    const timed = families.get("afterimage_http_request_duration_seconds");
    const below = (le: string) => timed?.samples.find(({ labels }) => labels.le === le)?.value;
    expect(["0.001", "0.25", "0.5", "10", "+Inf"].map(below)).toEqual([1, 1, 2, 2, 3]);
    const sum = timed?.samples.find(({ name }) => name.endsWith("_sum"));
    expect(sum?.value).toBeCloseTo(20.3007);
    expect((await expose(other)).get("afterimage_http_requests_total")?.samples).toEqual([]);
  });

  test("show counters that nothing has counted yet as 0, so that a first increase is seen", async () => {
    const families = await expose();
    for (const name of ["afterimage_events_ingested_total", "afterimage_trails_written_total"]) {
      expect(families.get(name)).toMatchObject({ type: "counter", samples: [{ value: 0 }] });
    }
  });

  test("show connections by role and state as they are when asked", async () => {
    const samples = (await expose()).get("afterimage_db_connections")?.samples ?? [];
    const shown = samples.map(({ labels, value }) => [labels.role, labels.state, value]);
    expect(shown).toEqual([
      ["app", "total", 3],
      ["app", "idle", 1],
      ["app", "waiting", 2],
      ["worker", "total", 0],
      ["worker", "idle", 0],
      ["worker", "waiting", 0],
    ]);
  });

  test("show when it started, its memory and how late its event loop is", async () => {
    const families = await expose();
    const value = (name: string) => families.get(name)?.samples[0]?.value ?? NaN;
    const startedAt = Date.now() / 1_000 - process.uptime();
    expect(Math.abs(value("process_start_time_seconds") - startedAt)).toBeLessThan(5);
    expect(value("process_resident_memory_bytes")).toBeGreaterThan(10e6);
    expect(value("nodejs_heap_size_used_bytes")).toBeLessThanOrEqual(value("nodejs_heap_size_total_bytes"));
    expect(value("nodejs_eventloop_lag_seconds")).toBeGreaterThanOrEqual(0);
  });
});

describe("readings of others", () => {
  test("stand beside them without the process's id, and leave nothing behind", async () => {
    const metrics = make();
    const reading = (table: string) => [
      { name: "head_room", help: "Months.", values: [{ labels: { table }, value: 3 }] },
    ];
    await metrics.expose(reading("gone"));
    const family = parseExposition(await metrics.expose(reading("audit_events"))).get("head_room");
    expect(family).toEqual({
      help: "Months.",
      type: "gauge",
      samples: [{ name: "head_room", labels: { table: "audit_events" }, value: 3 }],
    });
    expect((await expose(metrics)).has("head_room")).toBe(false);
  });

  test("may hold any text in a label", async () => {
    const job = 'a"b\\c\nd{e="f"} 1';
    const text = await make().expose([{ name: "jobs", help: "h", values: [{ labels: { job }, value: 1 }] }]);
    expect(parseExposition(text).get("jobs")?.samples).toEqual([{ name: "jobs", labels: { job }, value: 1 }]);
  });
});

test.each([
  ["a line without its end", "# HELP a b\n# TYPE a gauge\na 1"],
  ["a sample without a type", "a 1\n"],
  ["a type without help", "# TYPE a gauge\na 1\n"],
  ["a series twice", '# HELP a b\n# TYPE a gauge\na{x="1"} 1\na{x="1"} 2\n'],
  ["a label twice", '# HELP a b\n# TYPE a gauge\na{x="1",x="2"} 1\n'],
  ["a quote in a label", '# HELP a b\n# TYPE a gauge\na{x="1"2"} 1\n'],
  ["a family in two pieces", "# HELP a b\n# TYPE a gauge\na 1\n# HELP a b\n# TYPE a gauge\n"],
  ["a value that is no number", "# HELP a b\n# TYPE a gauge\na one\n"],
  [
    "buckets that shrink",
    '# HELP h b\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
  ],
  [
    "a histogram without its last bucket",
    '# HELP h b\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_sum 1\nh_count 2\n',
  ],
])("the parser refuses %s", (_what, text) => {
  expect(() => parseExposition(text)).toThrow();
});
