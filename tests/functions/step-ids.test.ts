import fs from "node:fs";
import path from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import { createApp } from "../../api/_http/create-app.ts";
import { schedules } from "../../lib/schedules.ts";
import { caller, mintKey } from "../support/api.ts";
import { useDatabase } from "../support/database.ts";
import { jobRunner, useWorkflows, type Run } from "../support/workflows.ts";

// The step ids of each workflow in the last release, with N for a count. At a release the new ones are added.
const released = JSON.parse(
  fs.readFileSync(path.join(import.meta.dirname, "released-steps.json"), "utf8"),
) as Record<string, string[]>;

const db = useDatabase();
const flows = useWorkflows(db);
let runJob: (jobId: string) => Promise<Run>;

beforeAll(async () => {
  ({ runJob } = jobRunner(caller(createApp(flows.runtime), await mintKey(db))));
  for (const { id } of schedules) expect(await runJob(id)).toMatchObject({ status: "completed" });
  const right = "execute on function audit.roll_up_trails(int)";
  await db.rows("superuser", `revoke ${right} from audit_worker`);
  expect(await runJob("trail-rollup")).toMatchObject({ status: "failed" });
  await db.rows("superuser", `grant ${right} to audit_worker`);
  await vi.waitFor(async () => expect(await takenSteps("alert-on-failure")).toContain("record"), 10_000);
}, 60_000);

async function takenSteps(workflow: string): Promise<Set<string>> {
  const rows = await db.rows<{ name: string }>(
    "admin",
    "select s.name from inngest.steps s join inngest.runs r on r.id = s.run_id where r.function_id = $1",
    [`afterimage-${workflow}`],
  );
  return new Set(rows.map(({ name }) => name.replace(/-\d+$/, "-N")));
}

test.each(Object.entries(released))(
  "%s takes the steps of the last release, which runs in flight rely on",
  async (workflow, steps) => {
    const taken = await takenSteps(workflow);
    expect(steps.filter((step) => !taken.has(step))).toEqual([]);
  },
);
