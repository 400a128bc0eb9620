import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows, timeText } from "./rows.ts";

/** The last row of a file: the next one begins after it. `createdAt` is text with microseconds. */
export interface RowKey {
  workspaceId: string;
  createdAt: string;
  id: string;
}

interface ArchivedLine extends RowKey {
  /** JSON of the columns' texts. */
  line: string;
}

/** A file that was written and read back. Digests are SHA-256; `rowsDigest` is hexadecimal, of the rows that were read. */
interface NewColdFile {
  month: string;
  part: number;
  objectKey: string;
  bytes: number;
  last: RowKey;
  rowsDigest: string;
  sha256: Uint8Array;
  chunkBytes: number;
  chunkDigests: Uint8Array;
  schemaVersion: number;
  encryption: { algorithm: "AES-256-GCM"; keyName: string } | null;
  exportedAt: Date;
}

const byteaText = (value: Uint8Array) => `\\x${Buffer.from(value).toString("hex")}`;

/** Months, each by its first day, in which every archived event is due for a cold file; oldest first. */
export async function dueColdMonths(db: Db): Promise<string[]> {
  const found = await rows<{ month: string }>(db, sql`select month::text from audit.due_cold_months()`);
  return found.map(({ month }) => month);
}

/** The files that a month is being written to, and the number of the next one. */
export async function exportingFiles(
  db: Db,
  month: string,
): Promise<{ nextPart: number; after: RowKey | null }> {
  const [row] = await rows<{ nextPart: number; after: RowKey | null }>(
    db,
    sql`
      select
        coalesce(max(f.part), 0)::int + 1 as "nextPart",
        (
          array_agg(
            json_build_object(
              'workspaceId', f.last_workspace_id,
              'createdAt', ${timeText(sql`f.last_created_at`)},
              'id', f.last_id
            ) order by f.part desc
          ) filter (where f.dropped_at is null)
        )[1] as after
      from audit.cold_months f
      where f.month = ${month}::date`,
  );
  return row ?? { nextPart: 1, after: null };
}

const monthOf = (month: string) => sql`
  l.created_at >= (${month}::timestamp at time zone 'UTC')
  and l.created_at < ((${month}::timestamp + interval '1 month') at time zone 'UTC')`;

const keyOf = ({ workspaceId, createdAt, id }: RowKey) =>
  sql`(${workspaceId}::text, ${createdAt}::timestamptz, ${id}::uuid)`;

const isAfter = (after: RowKey | null) =>
  after === null ? sql`true` : sql`(l.workspace_id, l.created_at, l.id) > ${keyOf(after)}`;

/** Archived events of a month that no file holds yet, by workspace, time and id, after a key: `limit` rows at most, and no more than `bytesMax` and one row. */
export async function archivedLines(
  db: Db,
  month: string,
  after: RowKey | null,
  { limit, bytesMax }: { limit: number; bytesMax: number },
): Promise<ArchivedLine[]> {
  return rows<ArchivedLine>(
    db,
    sql`
      select
        b.workspace_id as "workspaceId",
        ${timeText(sql`b.created_at`)} as "createdAt",
        b.id::text as id,
        b.line
      from (
        select a.*, sum(octet_length(a.line)) over (order by a.workspace_id, a.created_at, a.id) - octet_length(a.line) as before
        from (
          select l.workspace_id, l.created_at, l.id, l.line
          from audit.archive_lines l
          where ${monthOf(month)} and not l.is_in_file and ${isAfter(after)}
          order by l.workspace_id, l.created_at, l.id
          limit ${limit}
        ) a
      ) b
      where b.before < ${bytesMax}
      order by b.workspace_id, b.created_at, b.id`,
  );
}

/**
 * Notes a verified file. The database counts its rows itself; answers false, and notes nothing, when they are not those that
 * were read back. Fails on cold_months_exporting when another run has noted this part.
 */
export async function noteColdFile(db: Db, file: NewColdFile): Promise<boolean> {
  const noted = {
    month: file.month,
    part: file.part,
    object_key: file.objectKey,
    bytes: file.bytes,
    last_workspace_id: file.last.workspaceId,
    last_created_at: file.last.createdAt,
    last_id: file.last.id,
    rows_digest: `\\x${file.rowsDigest}`,
    sha256: byteaText(file.sha256),
    chunk_bytes: file.chunkBytes,
    chunk_digests: byteaText(file.chunkDigests),
    schema_version: file.schemaVersion,
    encryption: file.encryption,
    exported_at: file.exportedAt,
  };
  const [row] = await rows<{ noted: boolean }>(
    db,
    sql`select audit.note_cold_file(${JSON.stringify(noted)}::jsonb) as noted`,
  );
  return row?.noted ?? false;
}

export interface ManifestFile {
  part: number;
  object: string;
  bytes: number;
  [field: string]: unknown;
}

/** The files that a month is being written to, in full, as its manifest shows them. */
export async function manifestFiles(db: Db, month: string): Promise<ManifestFile[]> {
  const found = await rows<{ file: ManifestFile }>(
    db,
    sql`
      select json_build_object(
        'part', f.part,
        'object', f.object_key,
        'rows', f.row_count,
        'bytes', f.bytes,
        'minCreatedAt', ${timeText(sql`f.min_created_at`)},
        'maxCreatedAt', ${timeText(sql`f.max_created_at`)},
        'minId', f.min_id,
        'maxId', f.max_id,
        'minWorkspaceId', f.min_workspace_id,
        'maxWorkspaceId', f.max_workspace_id,
        'sha256', encode(f.sha256, 'hex'),
        'rowsDigest', encode(f.rows_digest, 'hex'),
        'schemaVersion', f.schema_version,
        'chunkBytes', f.chunk_bytes,
        'chunkDigests', encode(f.chunk_digests, 'hex'),
        'encryption', f.encryption,
        'exportedAt', ${timeText(sql`f.exported_at`)},
        'verifiedAt', ${timeText(sql`f.verified_at`)}
      ) as file
      from audit.cold_months f
      where f.month = ${month}::date and f.dropped_at is null
      order by f.part`,
  );
  return found.map(({ file }) => file);
}

export interface DroppedMonth {
  state: "dropped" | "gone" | "changed";
  rows: number;
}

/** Drops the table of a month if the noted files hold exactly its rows. */
export async function dropColdMonth(db: Db, month: string): Promise<DroppedMonth> {
  const [row] = await rows<{ end: DroppedMonth }>(
    db,
    sql`select audit.drop_cold_month(${month}::date) as "end"`,
  );
  return row?.end as DroppedMonth;
}

/** Forgets the files of a month that was not dropped; names their objects. */
export async function discardColdFiles(db: Db, month: string): Promise<string[]> {
  const found = await rows<{ key: string }>(
    db,
    sql`select key from audit.discard_cold_files(${month}::date) as key`,
  );
  return found.map(({ key }) => key);
}
