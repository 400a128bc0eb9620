import {
  parquetMetadataAsync,
  parquetScan,
  type AsyncBuffer,
  type ColumnChunk,
  type FileMetaData,
  type ParquetQueryFilter,
  type ParquetRowRange,
  type RowGroup as RowGroupMetadata,
} from "hyparquet";
import { gunzipSync } from "node:zlib";
import type { ArchiveKeys } from "../../lib/storage/archive-keys.ts";
import { CHUNK_BYTES, ChunkError, openChunked, type ChunkedObject } from "../../lib/storage/chunked.ts";
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
  uuidFromBytes: (bytes: Uint8Array | undefined) => bytes && toUuid(bytes),
};
/** The least that zlib takes. */
const ZLIB_BUFFER_BYTES_MIN = 64;
const compressors = {
  // With a byte to spare, or zlib would take another buffer to see that nothing follows.
  GZIP: (bytes: Uint8Array, length: number) =>
    gunzipSync(bytes, { chunkSize: Math.max(length + 1, ZLIB_BUFFER_BYTES_MIN) }),
};

/** Footers of files that were opened lately, 0.15 MB each; files never change. */
const FOOTERS_MAX = 64;
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
  /** Reads every byte once, also those that no value needs, against the digests. */
  check(): Promise<void>;
}

/** Opens a file for reading in parts. Everything that goes wrong with it, now or later, is a `ColdFileError`. */
export async function openFile({ storage, keys }: Archive, ref: FileRef): Promise<ColdFile> {
  return guarded(ref.key, async () => {
    if (ref.schemaVersion !== SCHEMA_VERSION) throw new ColdFileError("unknown version", ref.key);
    const file: AsyncBuffer = openChunked(storage, ref, keys);
    const metadata = await footerOf(file, ref);
    const options = { file, metadata, parsers, compressors, useBloomFilters: true, columns: COLUMN_NAMES };
    const whole = await parquetScan(options);
    const groups = placesOf(metadata);
    return {
      groups: (filter) =>
        guarded(ref.key, async () => {
          const scan =
            filter === undefined ? whole : await parquetScan({ ...options, pruningFilter: filter });
          return scan.ranges.map((range) => withTimes(range, groups));
        }),
      read: (column, range) =>
        guarded(ref.key, async () => {
          const count = range.rowEnd - range.rowStart;
          const group = groups.find(({ rowEnd }) => range.rowStart < rowEnd);
          const chunk = group?.metadata.columns[COLUMN_NAMES.indexOf(column)];
          if (!group || !chunk) throw new ColdFileError("damaged", ref.key);
          // Most events were never deleted, and so on: nothing is read to say it.
          if (isAllNull(chunk, group)) return Array<Cell>(count).fill(null);
          // A column of one page is decoded as a whole anyway; the scan keeps it for the next range.
          if (chunk.offset_index_offset === undefined) await whole.readColumn({ column, ...rangeOf(group) });
          const cells = await whole.readColumn({ column, ...range });
          if (cells.length !== count) throw new ColdFileError("damaged", ref.key);
          return toCells(cells);
        }),
      check: () =>
        guarded(ref.key, async () => {
          for (let start = 0; start < file.byteLength; start += CHUNK_BYTES) {
            await file.slice(start, Math.min(start + CHUNK_BYTES, file.byteLength));
          }
        }),
    };
  });
}

/** A loop: `Array.from` takes several times as long, and every value that is read comes by here. */
function toCells(values: ArrayLike<unknown>): Cell[] {
  const cells: Cell[] = [];
  for (let i = 0; i < values.length; i++) cells.push((values[i] ?? null) as Cell);
  return cells;
}

interface Placed extends ParquetRowRange {
  metadata: RowGroupMetadata;
}

/** Where each row group lies in its file. */
function placesOf({ row_groups }: FileMetaData): Placed[] {
  let rowEnd = 0;
  return row_groups.map((metadata) => {
    const rowStart = rowEnd;
    rowEnd += Number(metadata.num_rows);
    return { rowStart, rowEnd, metadata };
  });
}

const rangeOf = ({ rowStart, rowEnd }: ParquetRowRange) => ({ rowStart, rowEnd });

const isAllNull = ({ meta_data }: ColumnChunk, { metadata }: Placed) =>
  meta_data?.statistics?.null_count === metadata.num_rows;

function toUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
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

function withTimes(range: ParquetRowRange, groups: Placed[]): RowGroup {
  const group = groups.find(({ rowStart }) => rowStart === range.rowStart);
  if (group === undefined) throw new Error("no row group begins there");
  const { min_value, max_value } = group.metadata.columns[CREATED_AT]?.meta_data?.statistics ?? {};
  return { ...range, oldest: min_value as bigint, newest: max_value as bigint };
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
