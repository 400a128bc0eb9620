import type { SchemaElement } from "hyparquet";

/**
 * The columns of a cold file, in the order of audit.archive_lines (db/sql/cold.sql). A reader of another version must know
 * what it meant, so this number grows with every change.
 */
export const SCHEMA_VERSION = 1;

type Kind = "uuid" | "time" | "integer" | "text" | "json";

export const COLUMNS = [
  ["id", "uuid"],
  ["created_at", "time"],
  ["occurred_at", "time"],
  ["event_id", "text"],
  ["workspace_id", "text"],
  ["created_by_user_id", "text"],
  ["action_type", "text"],
  ["resource_type", "text"],
  ["resource_id", "text"],
  ["old_values", "json"],
  ["new_values", "json"],
  ["changed_fields", "json"],
  ["ip_address", "text"],
  ["user_agent", "text"],
  ["request_id", "text"],
  ["tags", "json"],
  ["metadata", "json"],
  ["txid", "integer"],
  ["deleted_at", "time"],
  ["deleted_by_user_id", "text"],
  ["deletion_reason", "text"],
  ["archived_at", "time"],
] as const satisfies [string, Kind][];

export type ColumnName = (typeof COLUMNS)[number][0];
export const COLUMN_NAMES: ColumnName[] = COLUMNS.map(([name]) => name);

/** A row as the database writes it: the text of each column. */
export type Line = (string | null)[];
/** A value as Parquet holds it: times are microseconds since 1970, json is its text. */
export type Cell = string | bigint | null;

const REQUIRED: ReadonlySet<ColumnName> = new Set(["id", "created_at"]);

const SHAPES: Record<Kind, Omit<SchemaElement, "name">> = {
  uuid: { type: "FIXED_LEN_BYTE_ARRAY", type_length: 16, logical_type: { type: "UUID" } },
  time: {
    type: "INT64",
    converted_type: "TIMESTAMP_MICROS",
    logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
  },
  integer: { type: "INT64" },
  // Declared as text as well: readers would parse JSON, and the digits of its numbers would be lost.
  text: { type: "BYTE_ARRAY", converted_type: "UTF8", logical_type: { type: "STRING" } },
  json: { type: "BYTE_ARRAY", converted_type: "UTF8", logical_type: { type: "STRING" } },
};

export const parquetSchema: SchemaElement[] = [
  { name: "audit_events", num_children: COLUMNS.length },
  ...COLUMNS.map(([name, kind]): SchemaElement => {
    const repetition_type = REQUIRED.has(name) ? "REQUIRED" : "OPTIONAL";
    return { name, repetition_type, ...SHAPES[kind] };
  }),
];

const isNumber = (kind: Kind) => kind === "time" || kind === "integer";

/** A value of a column, from its text in a line. */
export function toCell(text: string | null, column: number): Cell {
  const [, kind] = COLUMNS[column] as (typeof COLUMNS)[number];
  return text !== null && isNumber(kind) ? BigInt(text) : text;
}

/** The line that the database would write of a row. */
export const toLine = (cells: Cell[]): Line => cells.map((cell) => (cell === null ? null : String(cell)));
