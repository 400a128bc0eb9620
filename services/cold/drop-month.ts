import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  discardColdFiles,
  dropColdMonth,
  manifestFiles,
  type DroppedMonth,
  type ManifestFile,
} from "../../db/queries/cold-export.ts";
import { forgetObject, leftOverObjects } from "../../db/queries/cold-objects.ts";
import { DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE } from "../../lib/sqlstate.ts";
import { StorageError } from "../../lib/storage/storage.ts";
import { raiseAlert, resolveAlert } from "../alerts/raise.ts";
import { hasSqlstate } from "../postgres-errors.ts";
import { COLUMN_NAMES } from "./columns.ts";
import type { ColdContext } from "./context.ts";
import { tellingAway } from "./faults.ts";
import type { Archive } from "./open-file.ts";

const ATTEMPTS_MAX = 5;
const PAUSE_MS = 500;

interface MonthEnd {
  /** `lost`: an object is not in the storage any more. */
  state: DroppedMonth["state"] | "lost";
  rows: number;
}

/**
 * Writes the manifest of a month and drops its table, if the noted files hold exactly its rows and are all in the storage; the
 * files are found by searches from then on. When rows came or went meanwhile, or an object is gone, the files are given up and
 * the month is exported again by the next run. Repeating it finds the month gone.
 */
export async function dropMonth(ctx: ColdContext, month: string): Promise<MonthEnd> {
  const archive = ctx.archive as Archive;
  const subject = month.slice(0, 7);
  const files = await manifestFiles(ctx.db, month);
  const lost = await tellingAway(ctx, () => findLost(archive, files));
  if (lost !== null) {
    await giveUp(ctx, archive, month);
    await raiseAlert(ctx, {
      code: "archive.unsound",
      subject,
      severity: "warning",
      message: `${lost} was written for ${subject} and is not in the storage any more. The month stays in the archive and is exported again by the next run of archive-events. If it goes on, look at ARCHIVE_URL and at what else removes objects there.`,
      details: { object: lost },
    });
    return { state: "lost", rows: 0 };
  }
  await tellingAway(ctx, () => writeManifest(archive, month, files));
  const end = await dropPatiently(ctx, month);
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

/** A month may take several nights, in which the storage may have become another: the first object that it has not, or null. */
async function findLost({ storage }: Archive, files: ManifestFile[]): Promise<string | null> {
  for (const { object, bytes } of files) {
    if ((await storage.head(object))?.bytes !== bytes) return object;
  }
  return null;
}

/** Readers are not kept waiting for longer than the time-out at once: they pass between the tries. */
async function dropPatiently(ctx: ColdContext, month: string): Promise<DroppedMonth> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await dropColdMonth(ctx.db, month);
    } catch (error) {
      const isBusy = hasSqlstate(error, LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED);
      if (attempt === ATTEMPTS_MAX || !isBusy) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

/** What whoever finds the bucket without the database needs to know of the files. */
async function writeManifest({ storage }: Archive, month: string, files: ManifestFile[]): Promise<void> {
  const [first] = files;
  const last = files.at(-1);
  if (!first || !last) return;
  const key = `${path.posix.dirname(first.object)}/manifest-${first.part}-${last.part}.json`;
  const manifest = {
    table: "audit.audit_events_archive",
    month: month.slice(0, 7),
    columns: COLUMN_NAMES,
    files,
  };
  await storage.put(key, new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`));
}

async function giveUp(ctx: ColdContext, { storage }: Archive, month: string): Promise<void> {
  const keys = await discardColdFiles(ctx.db, month);
  // What cannot be removed now is swept when the month is done.
  for (const key of keys) await storage.delete(key).catch(() => undefined);
}

/** Removes what tries that were given up have left. */
async function sweepObjects(ctx: ColdContext, { storage }: Archive, month: string): Promise<void> {
  try {
    for (const key of await leftOverObjects(ctx.db, month)) {
      await storage.delete(key);
      await forgetObject(ctx.db, key);
    }
  } catch (error) {
    // The files that count are safe; what is left over does no harm.
    if (!(error instanceof StorageError)) throw error;
    ctx.log.warn({ month, fault: error.fault }, "left-over objects stay");
  }
}
