import { createHash, randomBytes } from "node:crypto";
import { archivedLines, exportingFiles, noteColdFile, type RowKey } from "../../db/queries/cold-export.ts";
import { nameObject } from "../../db/queries/cold-objects.ts";
import { toChunks } from "../../lib/storage/chunked.ts";
import { StorageError } from "../../lib/storage/storage.ts";
import { raiseAlert } from "../alerts/raise.ts";
import { SCHEMA_VERSION, type Line } from "./columns.ts";
import type { ColdContext } from "./context.ts";
import { alertFileFault, resolveAway } from "./faults.ts";
import { ColdFileError, type Archive, type FileRef } from "./open-file.ts";
import { digestFile } from "./verify-file.ts";
import { FileWriter } from "./write-file.ts";

/** What one step can write, read back and compare well within its time, in memory that any host has. */
const FILE_ROWS_MAX = 50_000;
const FILE_BYTES_MAX = 32 * 1024 * 1024;
const BATCH_ROWS = 1_000;
const BATCH_BYTES = 1024 * 1024;
const NAME_BYTES = 6;

interface ExportedFile {
  /** False when every row of the month is in a file. */
  wrote: boolean;
  rows: number;
}

export interface FileBounds {
  rowsMax?: number;
  bytesMax?: number;
}

/**
 * Writes the next file of a month, reads it back, compares it with the database row by row and notes it. Repeating it writes the
 * file after that; what a failed try stored is removed, or swept once the month is done. Throws when the storage is away or
 * what it gives back is not what was written, and raises an alert.
 */
export async function exportNextFile(
  ctx: ColdContext,
  month: string,
  bounds: FileBounds = {},
): Promise<ExportedFile> {
  const archive = ctx.archive as Archive;
  const exportedAt = new Date();
  const { nextPart: part, after } = await exportingFiles(ctx.db, month);
  const written = await writeRows(ctx, month, after, bounds);
  if (written === null) return { wrote: false, rows: 0 };
  const { writer, rowCount, last } = written;
  const key = await nameObject(ctx.db, month, objectName(month, part, archive.keys.length > 0));
  let mayBeNoted = false;
  try {
    const { object, sha256 } = await store(archive, key, writer.finish());
    const ref: FileRef = { ...object, rowCount, schemaVersion: SCHEMA_VERSION };
    const stored = await digestFile(archive, ref);
    mayBeNoted = true;
    mayBeNoted = await noteColdFile(ctx.db, {
      ...object,
      month,
      part,
      objectKey: key,
      last,
      rowsDigest: stored.rowsDigest,
      sha256,
      schemaVersion: SCHEMA_VERSION,
      exportedAt,
    });
    if (!mayBeNoted) throw new ColdFileError("damaged", key);
  } catch (error) {
    // An answer that was lost says nothing; what is not listed is swept later.
    if (!mayBeNoted) await archive.storage.delete(key).catch(() => undefined);
    await alertUnsound(ctx, month, error);
    throw error;
  }
  await resolveAway(ctx);
  return { wrote: true, rows: rowCount };
}

/** The next rows of a month as a Parquet file, or null when there are none. */
async function writeRows(ctx: ColdContext, month: string, start: RowKey | null, bounds: FileBounds) {
  const { rowsMax = FILE_ROWS_MAX, bytesMax = FILE_BYTES_MAX } = bounds;
  const writer = new FileWriter();
  let last = start;
  let bytes = 0;
  while (writer.rowCount < rowsMax && bytes < bytesMax) {
    const limit = Math.min(BATCH_ROWS, rowsMax - writer.rowCount);
    const batch = await archivedLines(ctx.db, month, last, { limit, bytesMax: BATCH_BYTES });
    for (const { line } of batch) {
      writer.add(JSON.parse(line) as Line, line.length);
      bytes += line.length;
    }
    const end = batch.at(-1);
    if (!end) break;
    last = { workspaceId: end.workspaceId, createdAt: end.createdAt, id: end.id };
  }
  if (writer.rowCount === 0) return null;
  return { writer, rowCount: writer.rowCount, last: last as RowKey };
}

/** Stores a file; its bytes are not held any longer while it is read back. */
async function store({ storage, keys }: Archive, key: string, plain: Uint8Array) {
  const { object, body } = toChunks(key, plain, keys[0] ?? null);
  await storage.put(key, body);
  return { object, sha256: createHash("sha256").update(body).digest() };
}

/** Never the same twice, so that a try that was given up cannot replace what another one has noted. */
function objectName(month: string, part: number, isEncrypted: boolean): string {
  const folder = `events/${month.slice(0, 7).replace("-", "/")}`;
  const name = `part-${String(part).padStart(4, "0")}-${randomBytes(NAME_BYTES).toString("hex")}`;
  return `${folder}/${name}.parquet${isEncrypted ? ".enc" : ""}`;
}

async function alertUnsound(ctx: ColdContext, month: string, error: unknown): Promise<void> {
  if (error instanceof StorageError && error.fault === "away") {
    return alertFileFault(ctx, new ColdFileError("away", error.key));
  }
  if (!(error instanceof ColdFileError || error instanceof StorageError)) return;
  if (error.fault === "away") return alertFileFault(ctx, error as ColdFileError);
  await raiseAlert(ctx, {
    code: "archive.unsound",
    subject: month.slice(0, 7),
    severity: "critical",
    message: `A cold file of ${month.slice(0, 7)} did not read back as the rows it was written from. The month stays in the archive; the export is tried again. If it goes on, look at the storage.`,
    details: { object: error.key, fault: error.fault },
  });
}
