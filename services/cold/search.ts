import type { Bounded } from "../../db/queries/bounded.ts";
import type { FoundFile } from "../../db/queries/cold-files.ts";
import type { EventFilter, EventPosition, EventRow } from "../../db/queries/events.ts";
import type { Cell } from "./columns.ts";
import { toEventRow } from "./event-row.ts";
import { groupsIn, hitsOf, newestFirst, newestHits, openFound, type ColdReader, type Hit } from "./hits.ts";
import { conditionsOf, exceptReturned, type Condition } from "./match.ts";
import { matching } from "./matching.ts";
import type { Archive } from "./open-file.ts";
import { readHits } from "./read-hits.ts";

/**
 * Events in cold files, newest first; `limit` rows at most, after `position`. Reads of each file only the row groups that
 * could match, and of those only the columns that are asked for. Throws `ColdFileError` for a file that cannot be read.
 */
export async function searchCold(
  reader: ColdReader,
  files: readonly FoundFile[],
  filter: EventFilter,
  limit: number,
  position: EventPosition | null,
): Promise<Bounded<EventRow>> {
  const hits = await newestHits(reader, files, filter, limit, position);
  const rows = await readHits(reader.archive as Archive, hits);
  return { rows: rows.map(toEventRow), isCut: rows.length < hits.length };
}

/** How many events in cold files match. */
export async function countCold(
  reader: ColdReader,
  files: readonly FoundFile[],
  filter: EventFilter,
): Promise<number> {
  const conditions = conditionsOf(filter, null);
  let count = 0;
  for await (const { found, file, group } of groupsIn(reader, files, filter)) {
    count += (await matching(file, group, exceptReturned(conditions, found.returned))).rows.length;
  }
  return count;
}

/** The oldest event with an id in cold files, or null. */
export async function findInCold(
  reader: ColdReader,
  files: readonly FoundFile[],
  id: string,
  filter: Pick<EventFilter, "workspaceIds" | "includeDeleted">,
): Promise<EventRow | null> {
  const conditions: Condition[] = [
    { columns: ["id"], holds: (one) => one === id },
    ...conditionsOf(filter, null),
  ];
  for (const found of files.toReversed()) {
    const { ref, file } = await openFound(reader, found);
    const wanted = exceptReturned(conditions, found.returned);
    const hits: Hit[] = [];
    for (const group of await file.groups({ id: { $eq: id } })) {
      hits.push(...(await hitsOf(ref, group, await matching(file, group, wanted))));
    }
    const oldest = hits.toSorted(newestFirst).at(-1);
    if (oldest === undefined) continue;
    const [row] = await readHits(reader.archive as Archive, [oldest]);
    return toEventRow(row as Cell[]);
  }
  return null;
}
