import type { Cell, ColumnName } from "./columns.ts";
import type { Condition } from "./match.ts";
import type { ColdFile, RowGroup } from "./open-file.ts";

/** Rows of a row group that match, counted from its first, and what they hold. */
export interface Matches {
  rows: number[];
  /** The value of a column in any of them. */
  read(column: ColumnName): Promise<(row: number) => Cell>;
}

/** The rows that every condition holds for. A column is read when a row still needs it, from the first such row to the last. */
export async function matching(
  file: ColdFile,
  group: RowGroup,
  conditions: readonly Condition[],
): Promise<Matches> {
  const columns = new Map<ColumnName, (row: number) => Cell>();
  let rows = countedTo(group.rowEnd - group.rowStart);
  const read = async (name: ColumnName) => {
    const known = columns.get(name);
    if (known !== undefined) return known;
    const [first = 0] = rows;
    const rowEnd = group.rowStart + (rows.at(-1) ?? 0) + 1;
    const cells = await file.read(name, { rowStart: group.rowStart + first, rowEnd });
    const cell = (row: number) => cells[row - first] as Cell;
    columns.set(name, cell);
    return cell;
  };
  for (const { columns: names, holds, holdsBetween } of conditions) {
    if (rows.length === 0) break;
    if (holdsBetween?.(group.oldest, group.newest)) continue;
    const values: ((row: number) => Cell)[] = [];
    for (const name of names) values.push(await read(name));
    const [first] = values as [(row: number) => Cell];
    rows = rows.filter(
      values.length === 1 ? (row) => holds(first(row)) : (row) => holds(...values.map((value) => value(row))),
    );
  }
  return { rows, read };
}

/** A loop: `Array.from` takes ten times as long, and every row of every group is counted. */
function countedTo(count: number): number[] {
  const rows: number[] = [];
  for (let row = 0; row < count; row++) rows.push(row);
  return rows;
}
