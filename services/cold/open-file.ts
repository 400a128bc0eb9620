import {
  parquetMetadataAsync,
  parquetScan,
  type AsyncBuffer,
  type FileMetaData,
  type ParquetQueryFilter,
  type ParquetRowRange,
} from "hyparquet";
import { gunzipSync } from "node:zlib";
import type { ArchiveKeys } from "../../lib/storage/archive-keys.ts";
import { ChunkError, openChunked, type ChunkedObject } from "../../lib/storage/chunked.ts";
import { StorageError, type Storage } from "../../lib/storage/storage.ts";
import { COLUMN_NAMES, SCHEMA_VERSION, type Cell, type ColumnName } from "./columns.ts";

/** Where cold files are, and what opens them. */
export interface Archive {
  storage: Storage;
  keys: ArchiveKeys;
}

export interface FileRef extends ChunkedObject {
  rowCount: number;
  schemaVersion: number;
}

export type FileFault = "away" | "missing" | "damaged" | "unknown key" | "unknown version";

const WORDS: Record<FileFault, string> = {
  away: "The archive's storage cannot be reached for",
  missing: "The archive lacks the file",
  damaged: "The archive's file is damaged:",
  "unknown key": "ARCHIVE_KEYS lacks the key of",
  "unknown version": "A newer version of the service wrote",
};

/** Names the object: a file that cannot be read is never passed over. */
export class ColdFileError extends Error {
  override name = "ColdFileError";
  readonly fault: FileFault;
  readonly key: string;

  constructor(fault: FileFault, key: string, cause?: unknown) {
    super(`${WORDS[fault]} ${key}`, { cause });
    this.fault = fault;
    this.key = key;
  }
}

// A time keeps its microseconds, and a text its byte order mark.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
const parsers = {
  timestampFromMicroseconds: (micros: bigint) => micros,
  stringFromBytes: (bytes: Uint8Array | undefined) => bytes && utf8.decode(bytes),
};
const compressors = { GZIP: (bytes: Uint8Array) => new Uint8Array(gunzipSync(bytes)) };

/** Footers of files that were opened lately; files never change. */
const FOOTERS_MAX = 200;
const footers = new Map<string, FileMetaData>();

export interface RowGroup extends ParquetRowRange {
  /** Of created_at, in microseconds. */
  oldest: bigint;
  newest: bigint;
}

export interface ColdFile {
  /** The row groups that could hold a row that matches. */
  groups(filter: ParquetQueryFilter | undefined): Promise<RowGroup[]>;
  /** Values of a column, of rows that lie in one row group. */
  read(column: ColumnName, range: ParquetRowRange): Promise<Cell[]>;
}

/** Opens a file for reading in parts. Everything that goes wrong with it, now or later, is a `ColdFileError`. */
export async function openFile({ storage, keys }: Archive, ref: FileRef): Promise<ColdFile> {
  return guarded(ref.key, async () => {
    if (ref.schemaVersion !== SCHEMA_VERSION) throw new ColdFileError("unknown version", ref.key);
    const file: AsyncBuffer = openChunked(storage, ref, keys);
    const metadata = await footerOf(file, ref);
    const options = { file, metadata, parsers, compressors, useBloomFilters: true, columns: COLUMN_NAMES };
    const whole = await parquetScan(options);
    return {
      groups: (filter) =>
        guarded(ref.key, async () => {
          const scan =
            filter === undefined ? whole : await parquetScan({ ...options, pruningFilter: filter });
          return scan.ranges.map((range) => withTimes(range, metadata));
        }),
      read: (column, range) =>
        guarded(ref.key, async () => {
          const cells = await whole.readColumn({ column, ...range });
          if (cells.length !== range.rowEnd - range.rowStart) throw new ColdFileError("damaged", ref.key);
          return Array.from(cells, (cell) => (cell ?? null) as Cell);
        }),
    };
  });
}

async function footerOf(file: AsyncBuffer, ref: FileRef): Promise<FileMetaData> {
  const kept = footers.get(ref.key);
  if (kept) return kept;
  const metadata = await parquetMetadataAsync(file, { parsers });
  if (Number(metadata.num_rows) !== ref.rowCount) throw new ColdFileError("damaged", ref.key);
  if (footers.size >= FOOTERS_MAX) footers.delete(footers.keys().next().value as string);
  footers.set(ref.key, metadata);
  return metadata;
}

const CREATED_AT = COLUMN_NAMES.indexOf("created_at");

function withTimes(range: ParquetRowRange, metadata: FileMetaData): RowGroup {
  let start = 0;
  for (const group of metadata.row_groups) {
    if (start === range.rowStart) {
      const { min_value, max_value } = group.columns[CREATED_AT]?.meta_data?.statistics ?? {};
      return { ...range, oldest: min_value as bigint, newest: max_value as bigint };
    }
    start += Number(group.num_rows);
  }
  throw new Error("no row group begins there");
}

async function guarded<T>(key: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ColdFileError) throw error;
    if (error instanceof StorageError) {
      throw new ColdFileError(error.fault === "short" ? "damaged" : error.fault, key, error);
    }
    // What is left is a file whose bytes are not those of a file of ours.
    throw new ColdFileError(error instanceof ChunkError ? error.fault : "damaged", key, error);
  }
}
