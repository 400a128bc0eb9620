import { createHash } from "node:crypto";
import { COLUMN_NAMES, toLine, type Cell } from "./columns.ts";
import { openFile, type Archive, type FileRef } from "./open-file.ts";

/** Read at once: a row group as a whole would be the most that an export holds. */
const ROWS_AT_ONCE = 500;

/** Reads a whole file back, some rows at a time, and digests its rows as the database does; `visit` gets each in turn. */
export async function digestFile(
  archive: Archive,
  ref: FileRef,
  visit: (line: string, digest: Uint8Array) => void = () => undefined,
): Promise<{ rowCount: number; rowsDigest: string }> {
  const file = await openFile(archive, ref);
  await file.check();
  const all = createHash("sha256");
  let rowCount = 0;
  for (const group of await file.groups(undefined)) {
    for (let rowStart = group.rowStart; rowStart < group.rowEnd; rowStart += ROWS_AT_ONCE) {
      const range = { rowStart, rowEnd: Math.min(rowStart + ROWS_AT_ONCE, group.rowEnd) };
      const columns: Cell[][] = [];
      for (const name of COLUMN_NAMES) columns.push(await file.read(name, range));
      for (let i = 0; i < range.rowEnd - rowStart; i++) {
        const line = JSON.stringify(toLine(columns.map((cells) => cells[i] as Cell)));
        const digest = createHash("sha256").update(line).digest();
        all.update(digest);
        visit(line, digest);
        rowCount++;
      }
    }
  }
  return { rowCount, rowsDigest: all.digest("hex") };
}
