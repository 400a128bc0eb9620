import { beforeAll, expect, test, vi } from "vitest";
import { createApp } from "../../api/_http/create-app.ts";
import { StorageError } from "../../lib/storage/storage.ts";
import { proposePurge } from "../../services/purges/propose.ts";
import { caller, mintKey, newId, type Call } from "../support/api.ts";
import { contextOf, makeCold, monthsAgo, storeEvents, useArchive } from "../support/cold.ts";
import { useDatabase } from "../support/database.ts";
import { jobRunner, useWorkflows, type Run } from "../support/workflows.ts";

const archive = useArchive();
const db = useDatabase();
const flows = useWorkflows(db, {}, { archive });
let call: Call;
let runJob: (jobId: string) => Promise<Run>;
let other: string;

beforeAll(async () => {
  call = caller(createApp(flows.runtime), await mintKey(db, { userId: "asker" }));
  ({ runJob } = jobRunner(call));
  other = await mintKey(db, { userId: "approver" });
});

const at = (month: string, day: number) => `${month.slice(0, 7)}-${String(day).padStart(2, "0")}T00:00:00Z`;
const prefixOf = (month: string) => `events/${month.slice(0, 7).replace("-", "/")}/part`;

/** A month that is past every retention, cold already. */
async function oldMonth(ago: number, events: Record<string, unknown>[] = [{}]): Promise<string> {
  const month = monthsAgo(ago);
  await storeEvents(
    db,
    "audit_events_archive",
    events.map((one, i) => ({ ...one, created_at: at(month, i + 1) })),
  );
  await makeCold(contextOf(flows, archive), month);
  return month;
}

const listed = async (status: string) => (await call("GET", `/purges?status=${status}`)).body.items;

/** Asks for a proposal and answers it. */
async function proposed() {
  expect(await runJob("purge-cold")).toMatchObject({ status: "completed" });
  const [waiting] = await listed("awaiting_approval");
  return waiting;
}

const approve = (id: string, key = other) =>
  call("POST", `/purges/${id}/approve`, { key, body: { note: "checked" } });

const ended = (id: string) =>
  vi.waitFor(async () => {
    const { body } = await call("GET", "/purges?limit=100");
    const one = body.items.find((item: { id: string }) => item.id === id);
    expect(one.endedAt).not.toBeNull();
    return one;
  }, 15_000);

test("archive-events writes every month that is due to cold files, and says so", async () => {
  const months = [monthsAgo(30), monthsAgo(31)];
  for (const month of months) {
    await storeEvents(db, "audit_events_archive", [
      { created_at: at(month, 1) },
      { created_at: at(month, 2) },
    ]);
  }
  const run = await runJob("archive-events");
  expect(run).toMatchObject({
    status: "completed",
    result: { coldMonths: 2, coldFiles: 2, coldRows: 4, coldRemains: false },
  });
  for (const month of months) expect(archive.files(prefixOf(month))).toHaveLength(1);
  const { body } = await call(
    "GET",
    `/audit/events?from=${at(months[1] as string, 1)}&to=${at(months[0] as string, 28)}`,
  );
  expect(body.items).toHaveLength(4);
});

test("a purge waits for another person, then removes the files, and logs by whose authority", async () => {
  const month = await oldMonth(90);
  const [key = ""] = archive.files(prefixOf(month));
  const waiting = await proposed();
  expect(waiting).toMatchObject({
    requestedByUserId: "asker",
    summary: { files: 1, events: 1, firstMonth: month.slice(0, 7) },
  });
  expect(
    await db.rows("app", "select from alerts where code = 'purge.waiting' and resolved_at is null"),
  ).toHaveLength(1);
  // A second run while one waits proposes nothing.
  expect(await runJob("purge-cold")).toMatchObject({ result: { purgeId: null } });
  expect((await approve(waiting.id, await mintKey(db, { userId: "asker" }))).status).toBe(403);
  expect(archive.files()).toContain(key);
  expect(await approve(waiting.id)).toMatchObject({
    status: 200,
    body: { status: "approved", decidedByUserId: "approver" },
  });
  expect(await ended(waiting.id)).toMatchObject({
    status: "completed",
    report: { purged: 1, held: 0, notDue: 0 },
  });
  expect(archive.files()).not.toContain(key);
  const { body } = await call("GET", `/audit/events?from=${at(month, 1)}&to=${at(month, 28)}`);
  expect(body.items).toEqual([]);
  const log = await db.rows(
    "app",
    "select deleted_by_user_id, deletion_authority, approval_ticket_id, is_irrevocable from audit_deletion_log where subject_id = $1",
    [key],
  );
  expect(log).toEqual([
    {
      deleted_by_user_id: "approver",
      deletion_authority: "retention",
      approval_ticket_id: waiting.id,
      is_irrevocable: true,
    },
  ]);
  expect((await approve(waiting.id)).status).toBe(409);
  expect(
    await db.rows("app", "select from alerts where code = 'purge.waiting' and resolved_at is null"),
  ).toEqual([]);
});

test("compliance mode does not stop what a person approves; the proposal names the workspace", async () => {
  const [strict, month] = [newId("ws"), monthsAgo(96)];
  await db.rows(
    "superuser",
    "insert into audit.audit_retention_policies (workspace_id, is_compliance_mode, compliance_reason) values ($1, true, 'GDPR')",
    [strict],
  );
  await oldMonth(96, [{ workspace_id: strict }]);
  const waiting = await proposed();
  expect(waiting.summary.complianceWorkspaces).toEqual([strict]);
  await approve(waiting.id);
  expect(await ended(waiting.id)).toMatchObject({ status: "completed", report: { purged: 1 } });
  expect(archive.files(prefixOf(month))).toEqual([]);
});

test("a hold on a workspace keeps the files with its events out of the proposal", async () => {
  const [ws, month] = [newId("ws"), monthsAgo(97)];
  await db.rows(
    "superuser",
    "insert into audit.legal_holds (workspace_id, reason, placed_by_user_id) values ($1, 'case 8', 'counsel')",
    [ws],
  );
  await oldMonth(97, [{ workspace_id: ws }, {}]);
  expect(await runJob("purge-cold")).toMatchObject({ result: { purgeId: null, files: 0 } });
  await db.rows(
    "superuser",
    "update audit.legal_holds set released_at = now(), released_by_user_id = 'counsel'",
  );
  const waiting = await proposed();
  await approve(waiting.id);
  await ended(waiting.id);
  expect(archive.files(prefixOf(month))).toEqual([]);
});

test("a key that comes from the person who asked does not approve, nor one that its maker owns", async () => {
  await oldMonth(91);
  const waiting = await proposed();
  const made = await mintKey(db, { userId: "friend" });
  await db.rows("app", "update api_keys set created_by_user_id = 'asker' where user_id = 'friend'");
  expect((await approve(waiting.id, made)).status).toBe(403);
  const unable = await mintKey(db, { userId: "third", scopes: ["purges:read"] });
  expect((await approve(waiting.id, unable)).status).toBe(403);
  const narrow = await mintKey(db, { userId: "third", workspaces: ["ws-1"] });
  expect((await approve(waiting.id, narrow)).status).toBe(403);
  expect((await approve(crypto.randomUUID())).status).toBe(404);
  const rejected = await call("POST", `/purges/${waiting.id}/reject`, { body: {} });
  expect(rejected.body).toMatchObject({ status: "rejected" });
  expect((await approve(waiting.id)).status).toBe(409);
});

test("a hold on a user or a resource keeps the files with their events, and no others", async () => {
  const held = newId("user");
  const month = await oldMonth(92, [
    { workspace_id: "ws-hold" },
    { workspace_id: "ws-hold", created_by_user_id: held },
  ]);
  const free = await oldMonth(93, [{ workspace_id: "ws-hold" }]);
  const hold = `insert into audit.legal_holds (workspace_id, subject_user_id, reason, placed_by_user_id) values ('ws-hold', $1, 'case 7', 'counsel')`;
  await db.rows("superuser", hold, [held]);
  const waiting = await proposed();
  await approve(waiting.id);
  await ended(waiting.id);
  expect(archive.files(prefixOf(month))).toHaveLength(1);
  expect(archive.files(prefixOf(free))).toEqual([]);
  await db.rows(
    "superuser",
    "update audit.legal_holds set released_at = now(), released_by_user_id = 'counsel' where released_at is null",
  );
  const after = await proposed();
  await db.rows("superuser", hold, [held]);
  await approve(after.id);
  // Placed after the proposal, and before the file went.
  expect(await ended(after.id)).toMatchObject({ status: "needs_attention", report: { purged: 0, held: 1 } });
  expect(archive.files(prefixOf(month))).toHaveLength(1);
  await db.rows(
    "superuser",
    "update audit.legal_holds set released_at = now(), released_by_user_id = 'counsel' where released_at is null",
  );
});

test("a storage that is away while files are read for holds is alerted, and nothing is proposed", async () => {
  const hold = `insert into audit.legal_holds (subject_user_id, reason, placed_by_user_id) values ($1, 'case 8', 'counsel')`;
  await db.rows("superuser", hold, [newId("user")]);
  await oldMonth(96);
  const away = async (key: string) => {
    throw new StorageError("away", key);
  };
  const ctx = contextOf(flows, { storage: { ...archive.storage, get: away }, keys: [] });
  await expect(proposePurge(ctx, null)).rejects.toThrow("cannot be reached");
  const openAlerts = () =>
    db.rows("app", "select from alerts where code = 'archive.away' and resolved_at is null");
  expect(await openAlerts()).toHaveLength(1);
  expect(await listed("awaiting_approval")).toEqual([]);
  const waiting = await proposed();
  expect(await openAlerts()).toEqual([]);
  await approve(waiting.id);
  expect(await ended(waiting.id)).toMatchObject({ status: "completed" });
  await db.rows(
    "superuser",
    "update audit.legal_holds set released_at = now(), released_by_user_id = 'counsel' where released_at is null",
  );
});

test("a longer retention keeps a file until the last of its workspaces is due", async () => {
  const month = await oldMonth(94, [{ workspace_id: "ws-short" }, { workspace_id: "ws-long" }]);
  await db.rows(
    "superuser",
    "insert into audit.audit_retention_policies (workspace_id, cold_retention_days) values ('ws-long', 30000)",
  );
  const waiting = await proposed();
  if (waiting) await approve(waiting.id);
  if (waiting) await ended(waiting.id);
  expect(archive.files(prefixOf(month))).toHaveLength(1);
  await db.rows(
    "superuser",
    "update audit.audit_retention_policies set cold_retention_days = 2555 where workspace_id = 'ws-long'",
  );
});

test("a proposal that nobody decides in 30 days expires and removes nothing", async () => {
  const month = await oldMonth(95);
  const waiting = await proposed();
  await db.rows("superuser", "update audit.purges set expires_at = now() - interval '1 s' where id = $1", [
    waiting.id,
  ]);
  expect((await approve(waiting.id)).status).toBe(409);
  await runJob("watch-schedules");
  expect((await listed("expired")).map(({ id }: { id: string }) => id)).toEqual([waiting.id]);
  expect(archive.files(prefixOf(month))).toHaveLength(1);
});

test("who was the last to set a retention that a purge goes by does not approve it, nor does a key of theirs", async () => {
  const ws = newId("ws");
  const month = await oldMonth(20, [{ workspace_id: ws }]);
  const short = { hotRetentionDays: 1, warmArchiveDays: 2, coldRetentionDays: 3, isComplianceMode: false };
  const setter = await mintKey(db, { userId: "shortener" });
  expect((await call("PUT", `/retention/${ws}`, { key: setter, body: short })).status).toBe(200);
  const { purgeId } = await proposePurge(contextOf(flows, archive), null);
  const [own, made, puppet] = [
    await mintKey(db, { userId: "shortener" }),
    await mintKey(db, { userId: "made" }),
    await mintKey(db, { userId: "puppeteer" }),
  ];
  await db.rows("app", "update api_keys set created_by_user_id = 'shortener' where user_id = 'made'");
  await db.rows("app", "update api_keys set created_by_user_id = 'puppeteer' where user_id = 'shortener'");
  for (const key of [own, made, puppet]) expect((await approve(purgeId ?? "", key)).status).toBe(403);
  expect(archive.files(prefixOf(month))).toHaveLength(1);
  expect((await approve(purgeId ?? "")).status).toBe(200);
  await ended(purgeId ?? "");
  expect(archive.files(prefixOf(month))).toEqual([]);
});

test("a month that cannot be exported keeps no other waiting, and fails the run at its end", async () => {
  const [bad, good] = [monthsAgo(41), monthsAgo(40)];
  for (const month of [bad, good])
    await storeEvents(db, "audit_events_archive", [{ created_at: at(month, 1) }]);
  const { put } = archive.storage;
  archive.storage.put = async (key, body) => {
    if (key.includes(prefixOf(bad))) throw new StorageError("away", key);
    await put(key, body);
  };
  const failed = await runJob("archive-events");
  archive.storage.put = put;
  expect(failed).toMatchObject({ status: "failed" });
  expect([archive.files(prefixOf(bad)), archive.files(prefixOf(good)).length]).toEqual([[], 1]);
  const steps = await db.rows(
    "admin",
    `select from inngest.steps where name = 'log' and run_id = (
       select id from inngest.runs where function_id = 'afterimage-archive-events' order by id desc limit 1)`,
  );
  expect(steps).toHaveLength(1);
  expect(await runJob("archive-events")).toMatchObject({ status: "completed", result: { coldMonths: 1 } });
});

test("nothing goes that nobody approved, whoever asks the database", async () => {
  const [file] = await db.rows<{ id: string }>(
    "app",
    "select id::text from cold_months where purged_at is null limit 1",
  );
  const ask = (purge: string) =>
    db.rows("worker", "select audit.begin_file_purge($1, $2, '{}')", [purge, file?.id]);
  await expect(ask(crypto.randomUUID())).rejects.toThrow("nobody approved that this file be purged");
  const [rejected] = await listed("rejected");
  await expect(ask(rejected.id)).rejects.toThrow("nobody approved that this file be purged");
  await db.rows("worker", "update audit.purges set status = 'approved' where id = $1", [rejected.id]);
  await expect(ask(rejected.id)).rejects.toThrow("nobody approved that this file be purged");
  await db.rows("worker", "update audit.purges set status = 'rejected' where id = $1", [rejected.id]);
  await expect(db.rows("worker", "update audit.purges set decided_by_user_id = 'x'")).rejects.toThrow(
    "permission denied",
  );
  await expect(db.rows("worker", "update audit.cold_months set purged_at = now()")).rejects.toThrow(
    "permission denied",
  );
  await expect(db.rows("app", "insert into audit.purges (status) values ('approved')")).rejects.toThrow(
    "permission denied",
  );
  // What the worker may not write is null or the default: a proposal that waits, a file that nobody reads yet.
  for (const [table, columns] of [
    ["purges", ["status", "decision", "decided_by_user_id", "decided_by_key_id", "decided_at", "ended_at"]],
    ["cold_months", ["dropped_at", "purge_id", "purged_at", "removed_at"]],
  ] as const) {
    for (const column of columns) {
      const forged = db.rows("worker", `insert into audit.${table} (${column}) values (null)`);
      await expect(forged, column).rejects.toThrow("permission denied");
    }
  }
  const [own] = await db.rows<{ id: string; status: string }>(
    "worker",
    `insert into audit.purges (files, summary, expires_at, requested_by_user_id)
     values (array[$1::uuid], '{}', now() + interval '1 day', 'bob') returning id::text, status`,
    [file?.id],
  );
  expect(own?.status).toBe("awaiting_approval");
  await expect(ask(own?.id ?? "")).rejects.toThrow("nobody approved that this file be purged");
});
