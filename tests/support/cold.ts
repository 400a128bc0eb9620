import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll } from "vitest";
import type { ColdContext } from "../../services/cold/context.ts";
import { exportNextFile, type FileBounds } from "../../services/cold/export-month.ts";
import { dropMonth } from "../../services/cold/drop-month.ts";
import type { Archive } from "../../services/cold/open-file.ts";
import { parseArchiveKeys } from "../../lib/storage/archive-keys.ts";
import { folderStorage } from "../../lib/storage/folder.ts";
import { coldContext } from "../../services/runtime.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { TestDatabase } from "./database.ts";

export const TEST_KEY = Buffer.alloc(32, 7).toString("base64");

export interface TestArchive extends Archive {
  folder: string;
  /** The files below the folder, by key, in order; `prefix` is what comes after the installation's id. */
  files(prefix?: string): string[];
}

/** An empty folder for cold files, removed after the file's tests. */
export function useArchive({ encrypted = false } = {}): TestArchive {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-cold-"));
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
  return {
    folder,
    storage: folderStorage(folder),
    keys: encrypted ? parseArchiveKeys(TEST_KEY) : [],
    files: (prefix = "") =>
      fs
        .readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
        .filter((key) => key.slice(key.indexOf("/") + 1).startsWith(prefix))
        .toSorted(),
  };
}

export const contextOf = ({ runtime }: { runtime: Runtime }, archive: Archive): ColdContext => ({
  ...coldContext(runtime),
  archive,
});

/** The first day of a month, so many before this one: `2025-01-01`. */
export function monthsAgo(count: number): string {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - count, 1)).toISOString().slice(0, 10);
}

export type EventFields = Record<string, unknown> & { created_at: string };

const FIELDS = `id, created_at, occurred_at, event_id, workspace_id, created_by_user_id, action_type, resource_type, resource_id,
  old_values, new_values, changed_fields, ip_address, user_agent, request_id, tags, metadata, txid, deleted_at,
  deleted_by_user_id, deletion_reason`;

/** Events as they are stored, past every check of their order in time; answers their ids in the order given. */
export async function storeEvents(
  db: TestDatabase,
  table: "audit_events" | "audit_events_archive",
  events: EventFields[],
): Promise<string[]> {
  for (const month of new Set(events.map(({ created_at }) => created_at.slice(0, 7)))) {
    await db.asOwner("select audit.add_month_partition($1, $2::date)", [table, `${month}-01`]);
  }
  const filled = events.map((one) => ({
    workspace_id: "ws-1",
    created_by_user_id: "u-1",
    action_type: "TEST",
    resource_type: "thing",
    resource_id: "t-1",
    ...one,
  }));
  const stored = await db.rows<{ id: string }>(
    "superuser",
    `insert into audit.${table} (${FIELDS})
     select
       coalesce(r.id, audit.uuid_v7()), r.created_at, r.occurred_at, r.event_id, r.workspace_id, r.created_by_user_id,
       r.action_type, r.resource_type, r.resource_id, r.old_values, r.new_values, r.changed_fields, r.ip_address,
       r.user_agent, r.request_id, r.tags, r.metadata, coalesce(r.txid, pg_current_xact_id()), r.deleted_at,
       r.deleted_by_user_id, r.deletion_reason
     from jsonb_populate_recordset(null::audit.audit_events, $1) with ordinality r
     order by ordinality
     returning id::text`,
    [JSON.stringify(filled)],
  );
  return stored.map(({ id }) => id);
}

/** Exports a month to its end and drops its table. */
export async function makeCold(ctx: ColdContext, month: string, bounds: FileBounds = {}): Promise<number> {
  let files = 0;
  while ((await exportNextFile(ctx, month, bounds)).wrote) files++;
  const end = await dropMonth(ctx, month);
  if (end.state !== "dropped") throw new Error(`the month is ${end.state}`);
  return files;
}
