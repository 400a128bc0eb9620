import { createHash } from "node:crypto";
import { COLUMN_NAMES, toLine } from "./columns.ts";
import { openFile, type Archive, type FileRef } from "./open-file.ts";

/** Reads a whole file back, row group by row group, and digests its rows as the database does. */
export async function digestFile(
  archive: Archive,
  ref: FileRef,
): Promise<{ rowCount: number; rowsDigest: string }> {
  const file = await openFile(archive, ref);
  const all = createHash("sha256");
  let rowCount = 0;
  for (const group of await file.groups(undefined)) {
    const columns = [];
    for (const name of COLUMN_NAMES) columns.push(await file.read(name, group));
    for (let i = 0; i < group.rowEnd - group.rowStart; i++) {
      const line = JSON.stringify(toLine(columns.map((cells) => cells[i] ?? null)));
      all.update(createHash("sha256").update(line).digest());
      rowCount++;
    }
  }
  return { rowCount, rowsDigest: all.digest("hex") };
}
