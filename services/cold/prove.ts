import type { ProvenEvent } from "../../db/queries/archive.ts";
import { coldFile, coldFilesIn, type FoundFile, type StoredFile } from "../../db/queries/cold-files.ts";
import type { Archive } from "./open-file.ts";
import type { ColdReader } from "./hits.ts";
import { findInCold } from "./search.ts";
import { toMicros } from "./times.ts";
import { digestFile } from "./verify-file.ts";

/**
 * The oldest event with an id in cold files, with what proves to the database that its file holds it; null where there is none.
 * Its file is read whole. Throws `ColdFileError` for a file that cannot be read.
 */
export async function proveColdEvent(
  reader: ColdReader,
  id: string,
  workspaceIds: readonly string[] | null,
): Promise<ProvenEvent | null> {
  const files = await coldFilesIn(reader.db, { workspaceIds, id });
  for (const file of files.toReversed()) {
    const found = await findInCold(reader, [file], id, { workspaceIds, includeDeleted: false });
    if (found) return prove(reader, file, id, found.position);
  }
  return null;
}

async function prove(reader: ColdReader, { id: fileId }: FoundFile, id: string, createdAt: string) {
  const ref = (await coldFile(reader.db, fileId)) as StoredFile;
  const start = JSON.stringify([id, String(toMicros(createdAt))]).slice(0, -1);
  const digests: Uint8Array[] = [];
  const found: Pick<ProvenEvent, "row" | "line">[] = [];
  await digestFile(reader.archive as Archive, ref, (line, digest) => {
    digests.push(digest);
    if (line.startsWith(start)) found.push({ row: digests.length, line });
  });
  const [proven] = found;
  return proven ? { ...proven, fileId, digests: Buffer.concat(digests) } : null;
}
