import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { LineError } from "../../cli/import/parse.ts";
import { runImport, type Outcome } from "../../cli/import/run.ts";
import { workerContext } from "../../services/runtime.ts";
import { deleteDueTrails } from "../../services/trails/delete-due.ts";
import { rollUpTrails } from "../../services/trails/roll-up.ts";
import { newId, useApi } from "../support/api.ts";
import { useCli } from "../support/cli.ts";
import { daysAgo, newTrail, placeholder } from "../services/trails/support.ts";

const api = useApi();
const afterimage = useCli(api.db);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-import-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

function write(lines: unknown[]): string {
  const file = path.join(folder, `${newId("file")}.ndjson`);
  fs.writeFileSync(
    file,
    lines.map((one) => (typeof one === "string" ? one : JSON.stringify(one))).join("\n"),
  );
  return file;
}

/** As an application's memory holds it. */
const kept = (messageId: string, more: object = {}) => ({
  messageId,
  timestamp: daysAgo(3),
  model: "claude-3-7-sonnet-20250219",
  reasoning: ["The context holds the answer."],
  contextLayers: 3,
  tokens: { prompt: 100, completion: 50, total: 150 },
  cost: { prompt: 0.0003, completion: 0.00075, total: 0.00105 },
  ...more,
});
const zero = { prompt: 0, completion: 0, total: 0 };

describe("import trails", () => {
  test("stores each line once, says why it rejects others, and its counts add up", async () => {
    const projectId = newId("proj");
    const ids = Array.from({ length: 6 }, () => newId("msg")) as [string, string, ...string[]];
    const file = write([
      kept(ids[0]),
      kept(ids[1], { id: "cuid", createdAt: daysAgo(3), updatedAt: daysAgo(3) }),
      "",
      kept(ids[2] as string, { timestamp: daysAgo(700), tokens: zero, cost: zero, reasoning: null }),
      kept(ids[3] as string, { tokens: {}, cost: {} }),
      kept(ids[0]),
      "not JSON",
      kept(ids[4] as string, { timestamp: undefined }),
      kept(ids[5] as string, { tokens: { prompt: -1, completion: 0 }, surprise: 1 }),
    ]);
    const { code, stdout } = await afterimage(["import", "trails", file, "--project", projectId]);
    expect(stdout).toContain("9 lines: 4 trails stored, 1 stored before, 3 rejected (see");
    expect(code).toBe(1);
    const rejects = fs.readFileSync(`${file}.rejected.ndjson`, "utf8").trim().split("\n");
    expect(rejects.map((line) => JSON.parse(line) as object)).toMatchObject([
      { line: 7, reason: "is no JSON object", text: "not JSON" },
      { line: 8, reason: expect.stringMatching(/^timestamp: /) },
      { line: 9, reason: expect.stringMatching(/tokens\.prompt: .*surprise/s) },
    ]);
    const { body } = await api.call("GET", `/trails?projectId=${projectId}`);
    expect(
      Object.fromEntries(body.items.map((one: never) => [one["messageId"], [one["status"], one["cost"]]])),
    ).toEqual({
      [ids[0]]: ["complete", expect.objectContaining({ total: 0.00105 })],
      [ids[1]]: ["complete", expect.objectContaining({ total: 0.00105 })],
      [ids[2] as string]: ["placeholder", null],
      [ids[3] as string]: ["placeholder", null],
    });
    expect(fs.existsSync(`${file}.import.json`)).toBe(false);

    const again = await afterimage(["import", "trails", file, "--project", projectId]);
    expect(again.stdout).toContain("9 lines: 0 trails stored, 5 stored before, 3 rejected");
    const logged = await api.call("GET", "/audit/events?workspaceId=afterimage&actionType=IMPORT_TRAILS");
    expect(logged.body.items[0].metadata).toMatchObject({ lines: 9, present: 5, rejected: 3 });
  });

  test("what the application wrote meanwhile stays, but for a placeholder that the file completes", async () => {
    const [done, open] = [newTrail(api), newTrail(api)];
    await done.put({ ...kept(done.messageId), projectId: done.projectId, reasoning: ["Newer."] });
    await open.put(placeholder(open.projectId));
    const lines = [done, open].map(({ messageId, projectId }) => kept(messageId, { projectId }));
    expect((await afterimage(["import", "trails", write(lines)])).stdout).toContain(
      "1 trails stored, 1 stored before",
    );
    expect((await done.get()).body.reasoning).toEqual(["Newer."]);
    expect((await open.get()).body).toMatchObject({ status: "complete", timestamp: lines[1]?.timestamp });
  });

  test("retention counts from the import, and the totals are of the time when the message was", async () => {
    const { get, projectId, messageId } = newTrail(api);
    const timestamp = daysAgo(40);
    await afterimage(["import", "trails", write([kept(messageId, { projectId, timestamp })])]);
    const ctx = workerContext(api.runtime);
    await rollUpTrails(ctx, 1_000);
    await deleteDueTrails(ctx, 1_000);
    expect((await get()).status).toBe(200);
    await api.db.rows(
      "superuser",
      "update audit.audit_trails set imported_at = now() - interval '8 days' where message_id = $1",
      [messageId],
    );
    await deleteDueTrails(ctx, 1_000);
    expect((await get()).status).toBe(404);
    const [bucket] = await api.db.rows<{ bucket_start: Date; message_count: string }>(
      "app",
      "select bucket_start, message_count from audit_trail_rollup where project_id = $1",
      [projectId],
    );
    expect(bucket?.message_count).toBe("1");
    expect(bucket?.bucket_start.toISOString().slice(0, 10)).toBe(timestamp.slice(0, 10));
  });

  test("a line for a project that is being deleted is rejected, and the others are stored", async () => {
    const { put, projectId } = newTrail(api);
    await put(placeholder(projectId));
    await api.call("DELETE", `/projects/${projectId}`);
    const other = newId("proj");
    const file = write([kept(newId("msg"), { projectId }), kept(newId("msg"), { projectId: other })]);
    expect((await afterimage(["import", "trails", file])).stdout).toContain(
      "1 trails stored, 0 stored before, 1 rejected",
    );
    expect(fs.readFileSync(`${file}.rejected.ndjson`, "utf8")).toContain("is being deleted");
  });
});

test("an import that breaks off goes on where it ended, and its counts are those of the whole file", async () => {
  const file = write(Array.from({ length: 1_700 }, (_, n) => (n % 100 === 7 ? "broken" : { n })));
  const stored: number[] = [];
  const importer = (batchesMax: number) => ({
    kind: "numbers",
    parse: (text: string) => {
      if (text === "broken") throw new LineError("is broken");
      return (JSON.parse(text) as { n: number }).n;
    },
    key: String,
    store: async (items: number[]): Promise<Outcome[]> => {
      if (batchesMax-- === 0) throw new Error("the database went away");
      stored.push(...items);
      return items.map(() => "stored");
    },
  });
  await expect(runImport(file, importer(2))).rejects.toThrow("went away");
  fs.appendFileSync(`${file}.rejected.ndjson`, "written, but not noted\n");
  expect(await runImport(file, importer(99))).toEqual({
    lines: 1_700,
    blank: 0,
    stored: 1_683,
    present: 0,
    rejected: 17,
  });
  expect(new Set(stored).size).toBe(stored.length);
  const rejects = fs.readFileSync(`${file}.rejected.ndjson`, "utf8").trim().split("\n");
  expect(rejects.map((one) => (JSON.parse(one) as { line: number }).line)).toEqual(
    Array.from({ length: 17 }, (_, i) => i * 100 + 8),
  );
});

test("a line that is far too long is rejected without being read into memory", async () => {
  const file = write(["x".repeat(5 * 1024 * 1024), kept(newId("msg"), { projectId: newId("proj") })]);
  expect((await afterimage(["import", "trails", file])).stdout).toContain(
    "2 lines: 1 trails stored, 0 stored before, 1 rejected",
  );
});

describe("import events", () => {
  const old = (workspaceId: string, more: object = {}) => ({
    actionType: "invoice.paid",
    resourceType: "invoice",
    resourceId: "inv-1",
    workspaceId,
    createdByUserId: "user-1",
    createdAt: "2019-03-01T08:00:00.000Z",
    ...more,
  });

  test("an old time is kept as occurredAt, the event is marked, and stored once", async () => {
    const workspaceId = newId("ws");
    const file = write([
      old(workspaceId, { id: "evt-1", tags: ["vip"], deletedAt: null }),
      old(workspaceId, { resourceId: "inv-2", newValues: { paid: true } }),
    ]);
    expect(await afterimage(["import", "events", file])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("2 lines: 2 events stored, 0 stored before, 0 rejected"),
    });
    expect((await afterimage(["import", "events", file])).stdout).toContain(
      "0 events stored, 2 stored before",
    );
    const { body } = await api.call("GET", `/audit/events?workspaceId=${workspaceId}&tag=imported`);
    expect(body.items).toHaveLength(2);
    const first = body.items.find((one: { eventId: string }) => one.eventId === "evt-1");
    expect(first).toMatchObject({ occurredAt: "2019-03-01T08:00:00.000Z", tags: ["vip", "imported"] });
    expect(Date.parse(first.createdAt)).toBeGreaterThan(Date.now() - 60_000);
  });

  test("an event that the log refuses is rejected with the reason, and does not keep the others away", async () => {
    const workspaceId = newId("ws");
    await afterimage(["import", "events", write([old(workspaceId, { eventId: "e-5" })])]);
    const lines = Array.from({ length: 9 }, (_, n) =>
      old(workspaceId, { eventId: `e-${n}`, resourceId: `r-${n}` }),
    );
    const file = write([...lines, old("afterimage"), old(workspaceId, { createdAt: undefined })]);
    expect((await afterimage(["import", "events", file])).stdout).toContain(
      "11 lines: 8 events stored, 0 stored before, 3 rejected",
    );
    const rejects = fs.readFileSync(`${file}.rejected.ndjson`, "utf8");
    expect(rejects).toContain('{"line":6,"reason":"This id holds another event."');
    expect(rejects).toContain("workspaceId: afterimage is the service's own workspace");
    expect(rejects).toContain('{"line":11,"reason":"occurredAt: ');
  });
});

describe("compare", () => {
  test("what was imported is equal, in the fields that the file names", async () => {
    const projectId = newId("proj");
    const file = write([
      kept(newId("msg")),
      kept(newId("msg"), { tokens: zero, cost: zero, reasoning: null }),
    ]);
    await afterimage(["import", "trails", file, "--project", projectId]);
    expect(await afterimage(["compare", file, "--project", projectId])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("2 trails: 2 equal, 0 different, 0 missing, 0 unreadable."),
    });
  });

  test("each difference is named by line, message and field, and ends with 1", async () => {
    const { put, projectId, messageId } = newTrail(api);
    await put({
      ...kept(messageId),
      projectId,
      cost: { prompt: 0.0003, completion: 0.00085 },
      reasoning: ["Other."],
    });
    const missing = newId("msg");
    const file = write([kept(messageId, { projectId }), kept(missing, { projectId }), "{}"]);
    const { code, stdout } = await afterimage(["compare", file]);
    expect(code).toBe(1);
    expect(stdout).toContain("3 trails: 0 equal, 1 different, 1 missing, 1 unreadable.");
    expect(stdout).toContain(`line 1  ${messageId}  timestamp  file `);
    expect(stdout).toContain(
      `line 1  ${messageId}  reasoning  file ["The context holds the answer."]  stored ["Other."]`,
    );
    expect(stdout).toContain(`line 1  ${messageId}  cost.completion  file 0.00075  stored 0.00085`);
    expect(stdout).not.toContain("tokens");
    expect(stdout).toContain(`line 2  ${missing}  is not stored`);
  });
});
