import { sql, type SQL } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows, timeText } from "./rows.ts";

/** What of the cold files a search could need. */
export interface ColdRange {
  /** Null: any workspace. */
  workspaceIds: readonly string[] | null;
  from?: Date | undefined;
  to?: Date | undefined;
  /** At or before this time: text with microseconds. */
  until?: string | undefined;
  id?: string | undefined;
}

/** An event that was brought back from a file: the one in the database counts. */
export interface ReturnedEvent {
  id: string;
  createdAt: string;
  returnedAt: string;
}

export interface FoundFile {
  id: string;
  objectKey: string;
  maxCreatedAt: string;
  returned: ReturnedEvent[];
}

const isOfWorkspaces = (ids: readonly string[] | null) =>
  ids === null
    ? sql`true`
    : sql`f.workspaces && array(select json_array_elements_text(${JSON.stringify(ids)}::json))`;

/** Files that could hold events of a range, the newest first: of months that were dropped, and not purged. */
export async function coldFilesIn(db: Db, range: ColdRange): Promise<FoundFile[]> {
  const { workspaceIds, from, to, until, id } = range;
  return rows<FoundFile>(
    db,
    sql`
      select
        f.id, f.object_key as "objectKey", ${timeText(sql`f.max_created_at`)} as "maxCreatedAt",
        coalesce((
          select json_agg(json_build_object(
            'id', r.event_id, 'createdAt', ${timeText(sql`r.event_created_at`)}, 'returnedAt', ${timeText(sql`r.returned_at`)}
          ) order by r.event_created_at, r.event_id)
          from audit.cold_returns r
          where r.file_id = f.id
        ), '[]') as returned
      from audit.cold_months f
      where f.dropped_at is not null
        and f.purged_at is null
        and ${from === undefined ? sql`true` : sql`f.max_created_at >= ${from.toISOString()}::timestamptz`}
        and ${to === undefined ? sql`true` : sql`f.min_created_at < ${to.toISOString()}::timestamptz`}
        and ${until === undefined ? sql`true` : sql`f.min_created_at <= ${until}::timestamptz`}
        and ${id === undefined ? sql`true` : sql`${id}::uuid between f.min_id and f.max_id`}
        and ${isOfWorkspaces(workspaceIds)}
      order by f.max_created_at desc, f.id desc`,
  );
}

/** How many files searches read, and the object of the newest; null where there is none. */
export async function newestColdFile(db: Db): Promise<{ count: number; newest: string | null }> {
  const [row] = await rows<{ count: number; newest: string | null }>(
    db,
    sql`
      select count(*)::int as count, (array_agg(f.object_key order by f.max_created_at desc, f.id desc))[1] as newest
      from audit.cold_months f
      where f.dropped_at is not null and f.purged_at is null`,
  );
  return row ?? { count: 0, newest: null };
}

/** Months of which files were purged that could have held an event with this id, oldest first. */
export async function purgedMonths(
  db: Db,
  { workspaceIds, id }: { workspaceIds: readonly string[] | null; id: string },
): Promise<string[]> {
  const found = await rows<{ month: string }>(
    db,
    sql`
      select distinct to_char(f.month, 'YYYY-MM') as month
      from audit.cold_months f
      where f.purged_at is not null
        and ${id}::uuid between f.min_id and f.max_id
        and ${isOfWorkspaces(workspaceIds)}
      order by 1`,
  );
  return found.map(({ month }) => month);
}

export interface StoredFile {
  key: string;
  rowCount: number;
  bytes: number;
  chunkBytes: number;
  chunkDigests: Uint8Array;
  schemaVersion: number;
  encryption: { algorithm: "AES-256-GCM"; keyName: string } | null;
  rowsDigest: string;
  isPurged: boolean;
}

/** What it takes to open a file. */
export const coldFile = (db: Db, id: string) => storedFile(db, sql`f.id = ${id}::uuid`);

/** The same by its object, of a month that was dropped. */
export const findColdFile = (db: Db, key: string) =>
  storedFile(db, sql`f.object_key = ${key} and f.dropped_at is not null`);

async function storedFile(db: Db, which: SQL): Promise<StoredFile | null> {
  const [row] = await rows<StoredFile & { digests: string }>(
    db,
    sql`
      select
        f.object_key as key, f.row_count::int as "rowCount", f.bytes::int as bytes, f.chunk_bytes as "chunkBytes",
        encode(f.chunk_digests, 'hex') as digests, f.schema_version as "schemaVersion", f.encryption,
        encode(f.rows_digest, 'hex') as "rowsDigest", f.purged_at is not null as "isPurged"
      from audit.cold_months f
      where ${which}`,
  );
  if (!row) return null;
  const { digests, ...file } = row;
  return { ...file, chunkDigests: Buffer.from(digests, "hex") };
}
