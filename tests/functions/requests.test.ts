import { spawn } from "node:child_process";
import path from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { resendWaiting } from "../../services/requests/resend-waiting.ts";
import { workerContext } from "../../services/runtime.ts";
import { useApi } from "../support/api.ts";

const api = useApi();
const root = path.resolve(import.meta.dirname, "../..");

beforeEach(() => {
  api.engine.sent.length = 0;
  api.engine.away = false;
});

/** As if `seconds` had passed since the request was made and last sent. */
const wait = (eventId: string, seconds: number) =>
  api.db.asOwner(
    `update workflow_requests
     set created_at = created_at - make_interval(secs => $2), last_sent_at = last_sent_at - make_interval(secs => $2)
     where event_id = $1`,
    [eventId, seconds],
  );

const request = async (eventId: string) =>
  (await api.db.rows("app", "select * from workflow_requests where event_id = $1", [eventId]))[0];

describe("a request that starts a workflow", () => {
  test("commits its row first and then sends its event under the run's id", async () => {
    const { status, body } = await api.call("POST", "/jobs/trail-rollup/run");
    expect(status).toBe(202);
    expect(api.engine.sent).toEqual([
      { id: body.id, name: "audit/trail-rollup.requested", data: { runId: body.id } },
    ]);
    expect(await request(body.id)).toMatchObject({ send_count: 1, picked_up_at: null });
  });

  test("is answered while the engine is away, and sent again under the same id when someone looks at it", async () => {
    api.engine.away = true;
    const { status, body, headers } = await api.call("POST", "/jobs/trail-rollup/run");
    expect(status).toBe(202);
    expect(await request(body.id)).toMatchObject({ send_count: 0 });
    api.engine.away = false;
    const look = () => api.call("GET", (headers.get("location") ?? "").replace("/api", ""));
    await look();
    expect(api.engine.sent).toHaveLength(0);
    await wait(body.id, 61);
    await look();
    await look();
    expect(api.engine.sent).toEqual([expect.objectContaining({ id: body.id })]);
  });

  test("is sent by watch-schedules when nobody looks: after an hour without the engine each goes out once", async () => {
    api.engine.away = true;
    const runs = await Promise.all(
      Array.from(
        { length: 5 },
        async () => (await api.call("POST", "/jobs/create-partitions/run")).body.id as string,
      ),
    );
    for (const id of runs) await wait(id, 3_600);
    const ctx = workerContext(api.runtime);
    expect(await resendWaiting(ctx)).toEqual({ sent: 0 });
    api.engine.away = false;
    await resendWaiting(ctx);
    await resendWaiting(ctx);
    expect(
      api.engine.sent
        .map((event) => event.id)
        .filter((id) => runs.includes(id))
        .toSorted(),
    ).toEqual(runs.toSorted());
  });

  test("is not sent again once a workflow has picked it up", async () => {
    const { body } = await api.call("POST", "/jobs/trail-rollup/run");
    await api.db.rows("worker", "update workflow_requests set picked_up_at = now() where event_id = $1", [
      body.id,
    ]);
    await wait(body.id, 3_600);
    api.engine.sent.length = 0;
    await resendWaiting(workerContext(api.runtime));
    expect(api.engine.sent.filter((event) => event.id === body.id)).toEqual([]);
  });

  test("whose process is killed between commit and send is sent later, and no run is lost", async () => {
    const before = await api.db.rows("app", "select id from job_runs");
    const key = await api.mintKey();
    const child = spawn(
      process.execPath,
      ["--import", "tsx", path.join(root, "tests/support/die-before-send.ts")],
      {
        cwd: root,
        env: { ...process.env, ...api.db.serviceEnv(), TEST_API_KEY: key },
        stdio: "ignore",
      },
    );
    const signal = await new Promise((resolve) => child.once("exit", (_, by) => resolve(by)));
    expect(signal).toBe("SIGKILL");
    const known = new Set(before.map((run) => run.id as string));
    const runs = await api.db.rows("app", "select id, status from job_runs");
    const [run] = runs.filter((one) => !known.has(one.id as string));
    expect(run).toMatchObject({ status: "requested" });
    expect(await request(run?.id as string)).toMatchObject({ send_count: 0 });
    await wait(run?.id as string, 61);
    await resendWaiting(workerContext(api.runtime));
    expect(api.engine.sent.map((event) => event.id)).toContain(run?.id);
  });
});
