import { randomBytes } from "node:crypto";
import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** Prometheus' text format 0.0.4. */
export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

const INSTANCE_BYTES = 6;
const MS_PER_S = 1_000;
const DURATION_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Open connections of a pool and callers that wait for one. */
interface Connections {
  total: number;
  idle: number;
  waiting: number;
}

/** Counts of what was stored, made where it was stored. */
export interface IngestCounts {
  events(count: number): void;
  trails(count: number): void;
}

interface RequestFigures {
  /** Labels: a known method, a route's pattern and a status, never what a caller sent. */
  method: string;
  route: string;
  status: number;
  seconds: number;
}

/** A gauge that somebody else has read. */
export interface GaugeReading {
  name: string;
  help: string;
  values: { labels?: Record<string, string>; value: number }[];
}

export interface Metrics {
  /** A random id of this process, the label `instance` of all its series. */
  instance: string;
  ingested: IngestCounts;
  observeRequest(request: RequestFigures): void;
  /** This process's series as Prometheus' text, and after them the given readings, which carry no `instance`. */
  expose(readings: readonly GaugeReading[]): Promise<string>;
}

/** The numbers of one process; `connections` is asked, per database role, when they are exposed. */
export function createMetrics(connections: () => Record<string, Connections>): Metrics {
  const instance = randomBytes(INSTANCE_BYTES).toString("hex");
  const registry = new Registry();
  registry.setDefaultLabels({ instance });
  const registers = [registry];
  const requests = new Counter({
    name: "afterimage_http_requests_total",
    help: "Requests answered, by method, route pattern and status.",
    labelNames: ["method", "route", "status"],
    registers,
  });
  const durations = new Histogram({
    name: "afterimage_http_request_duration_seconds",
    help: "Time from a request to the beginning of its answer, in seconds.",
    labelNames: ["method", "route"],
    buckets: DURATION_BUCKETS_S,
    registers,
  });
  const events = new Counter({
    name: "afterimage_events_ingested_total",
    help: "Workspace events stored for callers; no replays, duplicates or refusals.",
    registers,
  });
  const trails = new Counter({
    name: "afterimage_trails_written_total",
    help: "Writes that stored or changed a message trail; none that changed nothing.",
    registers,
  });
  registerConnections(registers, connections);
  registerProcess(registers);
  return {
    instance,
    ingested: { events: (count) => events.inc(count), trails: (count) => trails.inc(count) },
    observeRequest: ({ method, route, status, seconds }) => {
      requests.inc({ method, route, status });
      durations.observe({ method, route }, seconds);
    },
    expose: async (readings) => (await registry.metrics()) + (await textOf(readings)),
  };
}

// A registry of its own each time: a job or table that is gone leaves no series behind.
function textOf(readings: readonly GaugeReading[]): Promise<string> {
  const registry = new Registry();
  for (const { name, help, values } of readings) {
    const labelNames = Object.keys(values[0]?.labels ?? {});
    const gauge = new Gauge({ name, help, labelNames, registers: [registry] });
    for (const { labels = {}, value } of values) gauge.set(labels, value);
  }
  return registry.metrics();
}

function registerConnections(registers: Registry[], connections: () => Record<string, Connections>): void {
  const gauge: Gauge = new Gauge({
    name: "afterimage_db_connections",
    help: "Database connections of a role: total open, idle among them, and callers waiting for one.",
    labelNames: ["role", "state"],
    registers,
    collect: () => {
      for (const [role, { total, idle, waiting }] of Object.entries(connections())) {
        gauge.set({ role, state: "total" }, total);
        gauge.set({ role, state: "idle" }, idle);
        gauge.set({ role, state: "waiting" }, waiting);
      }
    },
  });
}

/** The names are those that dashboards for Node know. */
function registerProcess(registers: Registry[]): void {
  const register = (name: string, help: string, read: () => number | Promise<number>) => {
    const collect = async () => gauge.set(await read());
    const gauge: Gauge = new Gauge({ name, help, registers, collect });
  };
  const startedAtS = Date.now() / MS_PER_S - process.uptime();
  register("process_start_time_seconds", "When the process started, in Unix time.", () => startedAtS);
  register("process_resident_memory_bytes", "Memory that the process holds.", () =>
    process.memoryUsage.rss(),
  );
  register("nodejs_heap_size_used_bytes", "JavaScript heap in use.", () => process.memoryUsage().heapUsed);
  register("nodejs_heap_size_total_bytes", "JavaScript heap.", () => process.memoryUsage().heapTotal);
  register("nodejs_eventloop_lag_seconds", "How late the event loop was when asked.", eventLoopLag);
}

function eventLoopLag(): Promise<number> {
  const started = performance.now();
  return new Promise((resolve) => {
    setImmediate(() => resolve((performance.now() - started) / MS_PER_S));
  });
}
