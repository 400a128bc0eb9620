import { stringify } from "csv-stringify/sync";

/** Rows as CSV (UTF-8, RFC 4180), the columns in this order. Null is an empty cell. */
export function toCsv<T extends string>(
  columns: readonly T[],
  rows: readonly Record<T, string | null>[],
  { withHeader }: { withHeader: boolean },
): string {
  return stringify([...rows], {
    columns: [...columns],
    header: withHeader,
    record_delimiter: "windows",
    // Else a lone line feed in a cell would end the row.
    quote_record_delimiter: true,
    // A spreadsheet runs a cell that begins with = + - @ as a formula.
    escape_formulas: true,
  });
}
