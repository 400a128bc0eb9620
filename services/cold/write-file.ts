import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { gzipSync } from "node:zlib";
import { COLUMNS, parquetSchema, SCHEMA_VERSION, toCells, type ColumnName, type Line } from "./columns.ts";

/** Rows that a search can leave out together, and that are in memory at once. */
const GROUP_ROWS_MAX = 5_000;
const GROUP_BYTES_MAX = 4 * 1024 * 1024;
/** Of plain bytes: the least that is read of a column for one row. */
const PAGE_BYTES = 16 * 1024;
const GZIP_LEVEL = 6;
/** Looked up by one value, and in no order that the least and greatest would tell. */
const BLOOM_FILTERED: ReadonlySet<ColumnName> = new Set(["resource_id", "created_by_user_id"]);

/** Writes rows, in the order in which they are added, as one Parquet file in memory. */
export class FileWriter {
  readonly #bytes = new ByteWriter();
  readonly #parquet = new ParquetWriter({
    writer: this.#bytes,
    schema: parquetSchema,
    codec: "GZIP",
    compressors: { GZIP: (plain) => gzipSync(plain, { level: GZIP_LEVEL }) },
    kvMetadata: [{ key: "afterimage.schema_version", value: String(SCHEMA_VERSION) }],
    createdBy: "afterimage",
  });
  #lines: Line[] = [];
  #lineBytes = 0;
  rowCount = 0;

  add(line: Line, bytes: number): void {
    this.#lines.push(line);
    this.#lineBytes += bytes;
    this.rowCount++;
    if (this.#lines.length >= GROUP_ROWS_MAX || this.#lineBytes >= GROUP_BYTES_MAX) this.#writeGroup();
  }

  /** The whole file. */
  finish(): Uint8Array {
    if (this.#lines.length > 0) this.#writeGroup();
    void this.#parquet.finish();
    return this.#bytes.getBytes();
  }

  #writeGroup(): void {
    const lines = this.#lines;
    const columnData = COLUMNS.map(([name], i) => ({
      name,
      data: toCells(lines, i),
      bloomFilter: BLOOM_FILTERED.has(name),
    }));
    void this.#parquet.write({ columnData, rowGroupSize: lines.length, pageSize: PAGE_BYTES });
    this.#lines = [];
    this.#lineBytes = 0;
  }
}
