import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { readBatches } from "../../cli/import/lines.ts";
import { workerContext } from "../../services/runtime.ts";
import { deleteDueTrails } from "../../services/trails/delete-due.ts";
import { rollUpTrails } from "../../services/trails/roll-up.ts";
import { newId, useApi } from "../support/api.ts";
import { useCli } from "../support/cli.ts";
import { daysAgo, newTrail, placeholder } from "../services/trails/support.ts";
import { kept, rejectsOf, useFiles, zero } from "./import-support.ts";

const api = useApi();
const afterimage = useCli(api.db);
const { write } = useFiles();

describe("import trails", () => {
  test("stores each line once, says why it rejects others, and its counts add up", async () => {
    const projectId = newId("proj");
    const ids = Array.from({ length: 6 }, () => newId("msg")) as [string, string, ...string[]];
    const first = kept(ids[0]);
    const file = write([
      first,
      kept(ids[1], { id: "cuid", createdAt: daysAgo(3), updatedAt: daysAgo(3) }),
      "",
      kept(ids[2] as string, { timestamp: daysAgo(700), tokens: zero, cost: zero, reasoning: null }),
      kept(ids[3] as string, { tokens: {}, cost: {} }),
      first,
      "not JSON",
      kept(ids[4] as string, { timestamp: undefined }),
      kept(ids[5] as string, { tokens: { prompt: -1, completion: 0 }, surprise: 1 }),
    ]);
    const { code, stdout } = await afterimage(["import", "trails", file, "--project", projectId]);
    expect(stdout).toContain("9 lines: 4 trails stored, 1 stored before, 3 rejected (see");
    expect(code).toBe(1);
    expect(rejectsOf(file)).toMatchObject([
      { line: 7, reason: "is no JSON object; one a line is wanted", text: "not JSON" },
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
    const again = await afterimage(["import", "trails", file, "--project", projectId]);
    expect(again.stdout).toMatch(/9 lines: 0 trails stored, 5 stored before, 3 rejected .*, 1 blank\./);
    const logged = await api.call("GET", "/audit/events?workspaceId=afterimage&actionType=IMPORT_TRAILS*");
    const [end, start] = logged.body.items;
    expect(end.metadata).toMatchObject({ lines: 9, present: 5, rejected: 3, blank: 1, project: projectId });
    expect(start).toMatchObject({ actionType: "IMPORT_TRAILS_STARTED", resourceId: end.resourceId });
  });

  test("what the application wrote meanwhile stays, but for a placeholder, or a failed trail, that the file completes", async () => {
    const [done, open, failed] = [newTrail(api), newTrail(api), newTrail(api)];
    await done.put({ ...kept(done.messageId), projectId: done.projectId, reasoning: ["Newer."] });
    await open.put(placeholder(open.projectId));
    await failed.put(placeholder(failed.projectId, { status: "failed" }));
    const lines = [done, open, failed].map(({ messageId, projectId }) => kept(messageId, { projectId }));
    expect((await afterimage(["import", "trails", write(lines)])).stdout).toContain(
      "3 lines: 0 trails stored, 2 updated, 1 stored before, 0 rejected.",
    );
    expect((await done.get()).body.reasoning).toEqual(["Newer."]);
    expect((await open.get()).body).toMatchObject({ status: "complete", timestamp: lines[1]?.timestamp });
    expect((await failed.get()).body).toMatchObject({ status: "complete" });
  });

  test("a later import brings an earlier one up to date, until the application writes to the trail", async () => {
    const { messageId, projectId, get, patch } = newTrail(api);
    const of = (reasoning: string) => kept(messageId, { projectId, reasoning: [reasoning] });
    const first = kept(messageId, { projectId, tokens: zero, cost: zero });
    expect(await afterimage(["import", "trails", write([first, of("One."), of("Two.")])])).toMatchObject({
      stdout: expect.stringContaining("3 lines: 1 trails stored, 2 updated, 0 stored before"),
    });
    expect((await get()).body.reasoning).toEqual(["Two."]);
    await afterimage(["import", "trails", write([of("Three.")])]);
    expect((await get()).body.reasoning).toEqual(["Three."]);
    await patch({ latencyMs: 7 });
    expect((await afterimage(["import", "trails", write([of("Four.")])])).stdout).toContain(
      "0 trails stored, 1 stored before",
    );
    expect((await get()).body).toMatchObject({ reasoning: ["Three."], latencyMs: 7 });
  });

  test("a line whose digest is another than the stored one is rejected, and the others are stored", async () => {
    const [pinned, ...others] = Array.from({ length: 7 }, () => newTrail(api));
    const digests = { prompt: "v1" };
    await pinned?.put(placeholder(pinned.projectId, { digests }));
    const lines = [pinned, ...others].map((one) =>
      kept(one?.messageId ?? "", { projectId: one?.projectId, digests: { prompt: "v2", policy: null } }),
    );
    const file = write(lines);
    expect((await afterimage(["import", "trails", file])).stdout).toContain(
      "7 lines: 6 trails stored, 0 stored before, 1 rejected",
    );
    expect(rejectsOf(file)).toMatchObject([
      { line: 1, reason: expect.stringContaining("The prompt of this message was written down as another") },
    ]);
    expect((await pinned?.get())?.body).toMatchObject({ status: "placeholder", digests });
  });

  test("columns that hold null say no more than columns that are not there", async () => {
    const projectId = newId("proj");
    const nulls = { projectId: null, status: null, digests: null, latencyMs: null, cost: null };
    const file = write([kept(newId("msg"), nulls)]);
    expect((await afterimage(["import", "trails", file, "--project", projectId])).stdout).toContain(
      "1 trails stored",
    );
    const { body } = await api.call("GET", `/trails?projectId=${projectId}`);
    expect(body.items).toMatchObject([{ projectId, status: "complete", cost: null }]);
    expect((await afterimage(["compare", file, "--project", projectId])).code).toBe(0);
  });

  test("a trail above 1 MiB is rejected by its largest field, and one of full size is stored", async () => {
    const projectId = newId("proj");
    const ofSize = (bytes: number) => {
      const line = { projectId, ...kept(newId("msg")), reasoning: [""] };
      line.reasoning = ["x".repeat(bytes - JSON.stringify(line).length)];
      return { ...line, createdAt: daysAgo(3), status: "complete", latencyMs: null };
    };
    const file = write([ofSize(2 ** 20 + 8_000), ofSize(2 ** 20)]);
    expect((await afterimage(["import", "trails", file])).stdout).toContain(
      "2 lines: 1 trails stored, 0 stored before, 1 rejected",
    );
    expect(rejectsOf(file)[0]?.reason).toMatch(
      /^has 10\d+ bytes, and a trail may have 1048576; its largest field is reasoning, with 10\d+$/,
    );
  });

  test("retention counts from the import, and the totals are of the time when the message was", async () => {
    const { get, projectId, messageId } = newTrail(api);
    const timestamp = daysAgo(40);
    await afterimage(["import", "trails", write([kept(messageId, { projectId, timestamp })])]);
    const ctx = workerContext(api.runtime);
    await rollUpTrails(ctx, 1_000);
    await deleteDueTrails(ctx, 1_000);
    const { status, body } = await get();
    expect([status, body.importedAt]).toEqual([200, body.createdAt]);
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
    expect(rejectsOf(file)[0]?.reason).toContain("is being deleted");
  });
});

test("a line that is far too long, or no UTF-8, is rejected, and what is large is not read at once", async () => {
  const good = kept(newId("msg"), { projectId: newId("proj") });
  const file = write(["x".repeat(5 * 1024 * 1024), "", good]);
  fs.appendFileSync(file, Buffer.from([0x0a, 0x22, 0xff, 0x22, 0x0a]));
  expect((await afterimage(["import", "trails", file])).stdout).toContain(
    "4 lines: 1 trails stored, 0 stored before, 2 rejected",
  );
  expect(rejectsOf(file)).toEqual([
    { line: 1, reason: "is longer than 4194304 bytes", text: null },
    { line: 4, reason: "is not valid UTF-8", text: null },
  ]);
  const sizes: number[] = [];
  for await (const { lines } of readBatches(write(Array.from({ length: 9 }, () => "x".repeat(2 ** 20)))))
    sizes.push(lines.length);
  expect(sizes).toEqual([4, 4, 1]);
});

test("a byte order mark is no part of a line, and of an array over several lines each is told what is wanted", async () => {
  const good = () => JSON.stringify(kept(newId("msg"), { projectId: newId("proj") }));
  const file = write([`\uFEFF${good()}`, `\uFEFF${good()}`, "[", good(), "]"]);
  expect((await afterimage(["import", "trails", file])).stdout).toContain(
    "3 trails stored, 0 stored before, 2 rejected",
  );
  const reason = "is no JSON object; one a line is wanted";
  expect(rejectsOf(file)).toEqual([
    { line: 3, reason, text: "[" },
    { line: 5, reason, text: "]" },
  ]);
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
    const [place] = await api.db.rows(
      "superuser",
      "select tableoid::regclass::text as name, 'audit.audit_events_' || to_char(now() at time zone 'UTC', 'YYYY_MM') as current from audit.audit_events where id = $1",
      [first.id],
    );
    expect(place?.name).toBe(place?.current);
  });

  test("one that the application stored itself, with its time or without, counts as stored before", async () => {
    const workspaceId = newId("ws");
    const { createdAt, ...event } = old(workspaceId, { newValues: { paid: true } }) as Record<
      string,
      unknown
    >;
    const post = async (more: object) =>
      expect((await api.call("POST", "/audit/log", { body: { ...event, ...more } })).status).toBe(201);
    await post({ eventId: "e-1", occurredAt: createdAt, tags: ["vip"] });
    await post({ eventId: "e-2" });
    await post({ eventId: "e-3", tags: [], occurredAt: "2019-03-01T10:00:00+02:00" });
    await post({ eventId: "e-4", occurredAt: "2020-01-01T00:00:00Z" });
    await post({ eventId: "e-5", tags: ["vip"] });
    const line = (eventId: string, more: object = {}) => ({
      ...event,
      eventId,
      occurredAt: createdAt,
      ...more,
    });
    const file = write([
      line("e-1", { tags: ["vip"] }),
      line("e-2"),
      line("e-3", { tags: [] }),
      line("e-4"),
      line("e-5"),
      line("e-6"),
    ]);
    const { code, stdout } = await afterimage(["import", "events", file]);
    expect(stdout).toContain("6 lines: 1 events stored, 3 stored before, 2 rejected");
    expect(code).toBe(1);
    const reason = "This id holds another event.";
    expect(rejectsOf(file)).toMatchObject([
      { line: 4, reason },
      { line: 5, reason },
    ]);
    expect((fs.statSync(`${file}.rejected`).mode & 0o777).toString(8)).toBe("600");
    const { body } = await api.call("GET", `/audit/events?workspaceId=${workspaceId}&includeTotal=true`);
    expect(body.total).toBe(6);
  });

  test("ids that are numbers become text, as long as they are exact", async () => {
    const workspaceId = newId("ws");
    const file = write([
      old(workspaceId, { id: 9_000_001, resourceId: 17, createdByUserId: 7 }),
      old(workspaceId, { eventId: 0, resourceId: 18 }),
      old(workspaceId, { id: 2 ** 53 }),
    ]);
    expect((await afterimage(["import", "events", file])).stdout).toContain(
      "2 events stored, 0 stored before, 1 rejected",
    );
    const { body } = await api.call("GET", `/audit/events?workspaceId=${workspaceId}`);
    const ids = body.items.map((one: { eventId: string; resourceId: string }) => [
      one.eventId,
      one.resourceId,
    ]);
    expect(ids.toSorted()).toEqual([
      ["0", "18"],
      ["9000001", "17"],
    ]);
    expect(rejectsOf(file)).toMatchObject([
      { line: 3, reason: expect.stringContaining("would not be stored exactly") },
    ]);
    expect(body.items.map((one: { createdByUserId: string }) => one.createdByUserId)).toContain("7");
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
    expect(rejectsOf(file)).toMatchObject([
      { line: 6, reason: "This id holds another event." },
      { line: 10, reason: expect.stringContaining("workspaceId: afterimage is the service's own workspace") },
      { line: 11, reason: expect.stringMatching(/^occurredAt: /) },
    ]);
  });
});
