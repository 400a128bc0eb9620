import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { purgeFile } from "../../../services/purges/carry-out.ts";
import { proposePurge } from "../../../services/purges/propose.ts";
import { newId, useApi } from "../../support/api.ts";
import { contextOf, makeCold, monthsAgo, storeEvents, useArchive } from "../../support/cold.ts";
import { waitingFor } from "../../support/waits.ts";

const api = useApi();
const archive = useArchive();
const HELD = 205;

beforeAll(() => {
  api.runtime.archive = archive;
});

afterEach(async () => {
  await api.db.rows("superuser", "update audit.purges set status = 'rejected'");
  await api.db.rows(
    "superuser",
    "update audit.legal_holds set released_at = now(), released_by_user_id = 'counsel' where released_at is null",
  );
});

async function oldFile(ago: number, workspace: string): Promise<{ id: string; key: string }> {
  const month = monthsAgo(ago);
  await storeEvents(api.db, "audit_events_archive", [
    { created_at: `${month.slice(0, 7)}-02T00:00:00Z`, workspace_id: workspace },
  ]);
  await makeCold(contextOf(api, archive), month);
  const [file] = await api.db.rows<{ id: string; key: string }>(
    "app",
    "select id::text, object_key as key from cold_months where month = $1",
    [month],
  );
  return file as { id: string; key: string };
}

async function filesOf(purgeId: string | null): Promise<string[]> {
  const [purge] = await api.db.rows<{ files: string[] }>(
    "app",
    "select files::text[] from purges where id = $1",
    [purgeId],
  );
  return purge?.files ?? [];
}

const hold = (body: Record<string, string>) =>
  api.call("POST", "/holds", { body: { reason: "case 9", ...body } });

test("files that are held do not stand in the way of others, however many, and need not be read", async () => {
  const [held, free] = [newId("ws"), newId("ws")];
  const { id: copied } = await oldFile(130, held);
  await api.db.rows(
    "superuser",
    `insert into audit.cold_months
     select (jsonb_populate_record(f, jsonb_build_object('id', audit.uuid_v7(), 'part', n + 1, 'object_key', 'gone-' || n))).*
     from audit.cold_months f, generate_series(1, $2::int) n
     where f.id = $1`,
    [copied, HELD],
  );
  const file = await oldFile(100, free);
  await hold({ workspaceId: held });
  const { purgeId, files } = await proposePurge(contextOf(api, archive), null);
  expect([files, await filesOf(purgeId)]).toEqual([1, [file.id]]);
  expect(await api.db.rows("app", "select from alerts where code = 'archive.damaged'")).toEqual([]);
  await api.db.rows("superuser", "delete from audit.cold_months where object_key like 'gone-%'");
});

test("a file that cannot be read stays, is alerted, and keeps no other from being proposed", async () => {
  const [lost, sound] = [newId("ws"), newId("ws")];
  const gone = await oldFile(110, lost);
  const file = await oldFile(109, sound);
  // Either file has to be read to see whether this concerns it.
  await hold({ subjectUserId: newId("user") });
  fs.rmSync(path.join(archive.folder, gone.key));
  const ctx = contextOf(api, archive);
  const { purgeId } = await proposePurge(ctx, null);
  const files = await filesOf(purgeId);
  expect(files).toContain(file.id);
  expect(files).not.toContain(gone.id);
  const alerts = await api.db.rows(
    "app",
    "select from alerts where code = 'archive.damaged' and subject = $1",
    [gone.key],
  );
  expect(alerts).toHaveLength(1);
});

test("a file that is lost after its purge was approved, and may be held, is kept and ends no run", async () => {
  const file = await oldFile(108, newId("ws"));
  const [purge] = await api.db.rows<{ id: string }>(
    "superuser",
    `insert into audit.purges (status, files, summary, expires_at, decision, decided_by_user_id, decided_at)
     values ('approved', array[$1::uuid], '{}', now() + interval '1 day', 'approved', 'boss', now()) returning id::text`,
    [file.id],
  );
  await hold({ subjectUserId: newId("user") });
  fs.rmSync(path.join(archive.folder, file.key));
  const ref = { purgeId: purge?.id ?? "", requestId: purge?.id ?? "" };
  expect(await purgeFile(contextOf(api, archive), ref, file.id)).toBe("held");
});

test("a run that proposes while another does waits for it, and makes no second proposal", async () => {
  await oldFile(105, newId("ws"));
  const ctx = contextOf(api, archive);
  const [first, second] = await ctx.db.transaction(async (db) => {
    const made = await proposePurge({ ...ctx, db }, null);
    const later = proposePurge(ctx, null);
    await vi.waitFor(async () => {
      expect(await waitingFor(api.db, { locktype: "advisory" })).toHaveLength(1);
    }, 10_000);
    return [made, later] as const;
  });
  expect(first.purgeId).not.toBeNull();
  expect((await second).purgeId).toBeNull();
});
