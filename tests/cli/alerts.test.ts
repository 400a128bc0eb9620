import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { beforeEach, describe, expect, test } from "vitest";
import { raiseAlert } from "../../services/alerts/raise.ts";
import { workerContext } from "../../services/runtime.ts";
import { newId } from "../support/api.ts";
import { useCli } from "../support/cli.ts";
import { useDatabase } from "../support/database.ts";
import { startReceivers } from "../support/receivers.ts";
import { useWorkflows } from "../support/workflows.ts";

const db = useDatabase();
const receivers = await startReceivers();
const flows = useWorkflows(db, receivers.env);
const afterimage = useCli(db);
const runTest = (env: Record<string, string> = {}) =>
  afterimage(["alerts", "test", "--wait", "10"], { INNGEST_DEV: flows.engine.url, ...env });

beforeEach(() => receivers.reset());

describe("afterimage alerts test", () => {
  test("goes the whole way, says by which channels it arrived, and leaves no alert open", async () => {
    const { code, stdout } = await runTest();
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining("2 of 2 channels") });
    expect(stdout).toMatch(/^ok {4}mail$/m);
    expect(stdout).toMatch(/^ok {4}webhook:[0-9a-f]{12}$/m);
    expect(receivers.hooks.map((hook) => hook.body)).toMatchObject([
      { type: "alert.raised", data: { code: "alert.test", subject: expect.stringMatching(/^operator:/) } },
    ]);
    expect(receivers.mails).toHaveLength(1);
    expect(await db.rows("app", "select from alerts where resolved_at is null")).toEqual([]);
  });

  test("says which channel failed and what to do, after one attempt, and ends with 1", async () => {
    receivers.hook = { status: 500 };
    const { code, stdout } = await runTest();
    expect(code).toBe(1);
    expect(stdout).toMatch(/^ok {4}mail$/m);
    expect(stdout).toMatch(/^FAIL {2}webhook:\w+: HTTP 500\n\s+→ Check ALERT_WEBHOOK_URL/m);
    expect(receivers.hooks).toHaveLength(1);
    expect(await db.rows("app", "select from alert_channels where disabled_at is not null")).toEqual([]);
  });

  test("reaches a disabled channel, and what arrives enables it", async () => {
    await db.rows(
      "worker",
      `insert into alert_channels (channel, disabled_at, failing_since) values ('mail', now(), now())
       on conflict (channel) do update set disabled_at = now()`,
    );
    expect((await runTest()).code).toBe(0);
    expect(receivers.mails).toHaveLength(1);
    const [mail] = await db.rows("app", "select * from alert_channels where channel = 'mail'");
    expect(mail).toMatchObject({ disabled_at: null, failing_since: null });
  });

  test("says at once that the engine is away, and which variables to look at", async () => {
    const { code, stderr } = await runTest({ INNGEST_DEV: "http://127.0.0.1:9" });
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("INNGEST_EVENT_KEY") });
  });

  test("says what to check when the engine took it and nobody picked it up", async () => {
    const engine = http.createServer((_, response) => void response.end('{"ids":["1"],"status":200}'));
    engine.listen(0, "127.0.0.1");
    await once(engine, "listening");
    const INNGEST_DEV = `http://127.0.0.1:${(engine.address() as AddressInfo).port}`;
    const { code, stderr } = await afterimage(["alerts", "test", "--wait", "1"], { INNGEST_DEV });
    engine.close();
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("register /api/inngest") });
  });

  test("without an engine in the environment says what to set", async () => {
    const { code, stderr } = await runTest({ INNGEST_DEV: "" });
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("Set INNGEST_EVENT_KEY") });
  });
});

describe("afterimage alerts", () => {
  test("lists open alerts with what to do, and acknowledges one in the operator's name", async () => {
    const subject = newId("job");
    await raiseAlert(workerContext(flows.runtime), {
      code: "job.failed",
      subject,
      severity: "critical",
      message: "Mend it.",
    });
    const listed = await afterimage(["alerts", "list", "--status", "open"]);
    expect(listed.stdout).toContain(`job.failed (${subject})`);
    expect(listed.stdout).toContain("docs/ALERTS.md#jobfailed");
    const id = /^[0-9a-f-]{36}/m.exec(listed.stdout)?.[0] ?? "";
    const acknowledged = await afterimage(["alerts", "acknowledge", id]);
    expect(acknowledged).toMatchObject({ code: 0, stdout: `Acknowledged job.failed (${subject}).\n` });
    const [alert] = await db.rows("app", "select * from alerts where id = $1", [id]);
    expect(alert?.acknowledged_by_user_id).toMatch(/^operator:/);
    expect((await afterimage(["alerts", "list", "--status", "open"])).stdout).toBe("There are none.\n");
  });

  test.each([
    [["list", "--status", "closed"], /status/],
    [["acknowledge", "1"], /must be a UUID/],
    [["acknowledge", "00000000-0000-7000-8000-000000000000"], /no alert with this id/],
    [["test", "--wait", "soon"], /wait/],
  ])("%j is refused with a reason", async (args, reason) => {
    const { code, stderr } = await afterimage(["alerts", ...args]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(reason) });
  });
});

describe("afterimage alerts test, for a deployment without channels", () => {
  const bare = useDatabase();
  const bareFlows = useWorkflows(bare);
  const bareAfterimage = useCli(bare);

  test("says which variables to set", async () => {
    const { code, stderr } = await bareAfterimage(["alerts", "test"], { INNGEST_DEV: bareFlows.engine.url });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/SMTP_URL.*ALERT_WEBHOOK_URL/),
    });
  });
});
