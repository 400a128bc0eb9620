import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { gzipSync } from "node:zlib";
import {
  COLUMNS,
  parquetSchema,
  SCHEMA_VERSION,
  toCell,
  type Cell,
  type ColumnName,
  type Line,
} from "./columns.ts";

/** Rows that a search can leave out together, and that are in memory at once. */
const GROUP_ROWS_MAX = 5_000;
const GROUP_BYTES_MAX = 4 * 1024 * 1024;
/** Of plain bytes: the least that is read of a column for one row. */
const PAGE_BYTES = 16 * 1024;
const GZIP_LEVEL = 6;
/** Looked up by one value, and in no order that the least and greatest, cut to 16 bytes, would tell. */
const BLOOM_FILTERED: ReadonlySet<ColumnName> = new Set([
  "workspace_id",
  "created_by_user_id",
  "action_type",
  "resource_type",
  "resource_id",
]);

/** Puts what is written aside after each row group: a buffer that grows by doubling would be held twice and half empty. */
class PartsWriter extends ByteWriter {
  #parts: Uint8Array[] = [];

  flush(): void {
    this.#parts.push(this.getBytes().slice());
    this.index = 0;
  }

  /** All that was written; it is not kept. */
  takeBytes(): Uint8Array {
    this.flush();
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    return bytes;
  }
}

/** Writes rows, in the order in which they are added, as one Parquet file in memory. */
export class FileWriter {
  readonly #bytes = new PartsWriter();
  readonly #parquet = new ParquetWriter({
    writer: this.#bytes,
    schema: parquetSchema,
    codec: "GZIP",
    compressors: { GZIP: (plain) => gzipSync(plain, { level: GZIP_LEVEL }) },
    kvMetadata: [{ key: "afterimage.schema_version", value: String(SCHEMA_VERSION) }],
    createdBy: "afterimage",
  });
  /** Of the row group that is being filled. */
  #columns: Cell[][] = COLUMNS.map(() => []);
  #groupRows = 0;
  #groupBytes = 0;
  rowCount = 0;

  add(line: Line, bytes: number): void {
    for (const [i, cells] of this.#columns.entries()) cells.push(toCell(line[i] ?? null, i));
    this.#groupRows++;
    this.#groupBytes += bytes;
    this.rowCount++;
    if (this.#groupRows >= GROUP_ROWS_MAX || this.#groupBytes >= GROUP_BYTES_MAX) this.#writeGroup();
  }

  /** The whole file. */
  finish(): Uint8Array {
    if (this.#groupRows > 0) this.#writeGroup();
    void this.#parquet.finish();
    return this.#bytes.takeBytes();
  }

  #writeGroup(): void {
    const columnData = COLUMNS.map(([name], i) => ({
      name,
      data: this.#columns[i] as Cell[],
      bloomFilter: BLOOM_FILTERED.has(name),
    }));
    void this.#parquet.write({ columnData, rowGroupSize: this.#groupRows, pageSize: PAGE_BYTES });
    this.#columns = COLUMNS.map(() => []);
    this.#groupRows = 0;
    this.#groupBytes = 0;
  }
}
