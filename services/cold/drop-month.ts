import { setTimeout as sleep } from "node:timers/promises";
import {
  discardColdFiles,
  lastDroppedPart,
  dropColdMonth,
  manifestFiles,
  notedObjects,
  type DroppedMonth,
} from "../../db/queries/cold.ts";
import { raiseAlert, resolveAlert } from "../alerts/raise.ts";
import { postgresError } from "../postgres-errors.ts";
import { COLUMN_NAMES } from "./columns.ts";
import type { ColdContext } from "./context.ts";
import { alertFileFault } from "./faults.ts";
import { ColdFileError, type Archive } from "./open-file.ts";
import { monthPrefix, partOf } from "./export-month.ts";
import { StorageError } from "../../lib/storage/storage.ts";

const ATTEMPTS_MAX = 5;
const PAUSE_MS = 500;
const LOCK_NOT_AVAILABLE = "55P03";
const DEADLOCK = "40P01";

/**
 * Writes the manifest of a month and drops its table, if the noted files hold exactly its rows; the files are found by searches
 * from then on. When rows came or went meanwhile, the files are given up and the month is exported again by the next run.
 * Repeating it finds the month gone.
 */
export async function dropMonth(ctx: ColdContext, month: string): Promise<DroppedMonth> {
  const archive = ctx.archive as Archive;
  await writeManifest(ctx, archive, month);
  const end = await dropPatiently(ctx, month);
  const subject = month.slice(0, 7);
  if (end.state === "changed") {
    await giveUp(ctx, archive, month);
    await raiseAlert(ctx, {
      code: "archive.unsound",
      subject,
      severity: "warning",
      message: `Events of ${subject} came, went or changed while the month was exported. It stays in the archive and is exported again by the next run of archive-events.`,
      details: { rows: end.rows },
    });
    return end;
  }
  await sweepObjects(ctx, archive, month);
  await resolveAlert(ctx, "archive.unsound", subject);
  return end;
}

/** Readers are not kept waiting for longer than the time-out at once: they pass between the tries. */
async function dropPatiently(ctx: ColdContext, month: string): Promise<DroppedMonth> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await dropColdMonth(ctx.db, month);
    } catch (error) {
      const code = postgresError(error)?.code;
      if (attempt === ATTEMPTS_MAX || (code !== LOCK_NOT_AVAILABLE && code !== DEADLOCK)) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

/** What whoever finds the bucket without the database needs to know of the files. */
async function writeManifest(ctx: ColdContext, { storage }: Archive, month: string): Promise<void> {
  const files = await manifestFiles(ctx.db, month);
  const [first] = files;
  const last = files.at(-1);
  if (!first || !last) return;
  const key = `${monthPrefix(month)}manifest-${first.part}-${last.part}.json`;
  const manifest = {
    table: "audit.audit_events_archive",
    month: month.slice(0, 7),
    columns: COLUMN_NAMES,
    files,
  };
  await storage
    .put(key, new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`))
    .catch(async (error: unknown) => {
      if (error instanceof StorageError) await alertFileFault(ctx, new ColdFileError("away", key));
      throw error;
    });
}

async function giveUp(ctx: ColdContext, { storage }: Archive, month: string): Promise<void> {
  const keys = await discardColdFiles(ctx.db, month);
  // What cannot be removed now is swept when the month is done.
  for (const key of keys) await storage.delete(key).catch(() => undefined);
}

/**
 * Removes what tries that were given up have left. The parts up to the last one that was dropped are done with; a later part is
 * perhaps just being written, of events that were archived late.
 */
async function sweepObjects(ctx: ColdContext, { storage }: Archive, month: string): Promise<void> {
  try {
    const lastDone = await lastDroppedPart(ctx.db, month);
    const keys: string[] = [];
    for await (const { key } of storage.list(`${monthPrefix(month)}part-`)) {
      if (partOf(key) <= lastDone) keys.push(key);
    }
    const noted = await notedObjects(ctx.db, keys);
    for (const key of keys) if (!noted.has(key)) await storage.delete(key);
  } catch (error) {
    // The files that count are safe; what is left over does no harm.
    if (!(error instanceof StorageError)) throw error;
    ctx.log.warn({ month, fault: error.fault }, "left-over objects stay");
  }
}
