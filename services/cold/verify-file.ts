import { createHash } from "node:crypto";
import { COLUMN_NAMES, toLine } from "./columns.ts";
import { openFile, type Archive, type FileRef } from "./open-file.ts";

/** Reads a whole file back, row group by row group, and digests its rows as the database does; `visit` gets each in turn. */
export async function digestFile(
  archive: Archive,
  ref: FileRef,
  visit: (line: string, digest: Uint8Array) => void = () => undefined,
): Promise<{ rowCount: number; rowsDigest: string }> {
  const file = await openFile(archive, ref);
  const all = createHash("sha256");
  let rowCount = 0;
  for (const group of await file.groups(undefined)) {
    const columns = [];
    for (const name of COLUMN_NAMES) columns.push(await file.read(name, group));
    for (let i = 0; i < group.rowEnd - group.rowStart; i++) {
      const line = JSON.stringify(toLine(columns.map((cells) => cells[i] ?? null)));
      const digest = createHash("sha256").update(line).digest();
      all.update(digest);
      visit(line, digest);
      rowCount++;
    }
  }
  return { rowCount, rowsDigest: all.digest("hex") };
}
