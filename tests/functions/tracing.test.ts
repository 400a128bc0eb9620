import { afterAll, beforeAll, expect, test } from "vitest";
import { randomUUID } from "node:crypto";
import { KIND, startCollector, STATUS, type Collector } from "../support/collector.ts";
import { useDatabase } from "../support/database.ts";
import { useWorkflows } from "../support/workflows.ts";

const db = useDatabase();
let collector: Collector;

beforeAll(async () => {
  process.env.OTEL_BSP_SCHEDULE_DELAY = "20";
  collector = await startCollector();
});
afterAll(async () => {
  delete process.env.OTEL_BSP_SCHEDULE_DELAY;
  await collector.close();
});
const flow = useWorkflows({
  ...db,
  serviceEnv: () => ({ ...db.serviceEnv(), OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }),
});

const steps = () => collector.spans.filter((one) => one.name.startsWith("step "));

test("each step of a workflow is a span, once, with its statements below it", async () => {
  const [run] = await db.rows<{ id: string }>(
    "worker",
    "insert into job_runs (job_id, trigger, status) values ('create-partitions', 'manual', 'requested') returning id",
  );
  await flow.runtime.send([
    { id: randomUUID(), name: "audit/create-partitions.requested", data: { runId: run?.id } },
  ]);
  const names = () =>
    steps()
      .map((one) => one.name)
      .toSorted();
  const expected = ["begin", "ensure-ahead", "finish", "verify"].map((id) => `step create-partitions ${id}`);
  await expect.poll(names, { timeout: 15_000 }).toEqual(expected);
  for (const step of steps()) {
    expect(step).toMatchObject({ kind: KIND.internal, status: { code: STATUS.unset }, events: [] });
    expect(step.attributes["afterimage.workflow"]).toBe("create-partitions");
    const below = collector.spans.filter((one) => one.parentSpanId === step.spanId);
    expect(below.length).toBeGreaterThan(0);
    for (const one of below) expect([one.kind, one.traceId]).toEqual([KIND.client, step.traceId]);
  }
});
