import type { Db } from "../../db/client.ts";
import { coldFile, type FoundFile } from "../../db/queries/cold-files.ts";
import type { EventFilter, EventPosition } from "../../db/queries/events.ts";
import { conditionsOf, exceptReturned, pruningFilter } from "./match.ts";
import { matching, type Matches } from "./matching.ts";
import {
  ColdFileError,
  openFile,
  type Archive,
  type ColdFile,
  type FileRef,
  type RowGroup,
} from "./open-file.ts";
import { toMicros } from "./times.ts";

/** Where cold files are looked up, and where they are; null without ARCHIVE_URL. */
export interface ColdReader {
  db: Db;
  archive: Archive | null;
}

/** Where an event stands among others. */
interface Place {
  /** Microseconds since 1970. */
  at: bigint;
  id: string;
}

/** A row that matches, and where it lies. It holds no open file: a search would keep as many as it has hits. */
export interface Hit extends Place {
  ref: FileRef;
  group: RowGroup;
  row: number;
}

export const newestFirst = (a: Place, b: Place) =>
  a.at === b.at ? (a.id < b.id ? 1 : a.id > b.id ? -1 : 0) : a.at < b.at ? 1 : -1;

/** The newest so many hits. */
class Newest {
  #hits: Hit[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(hits: Hit[]): void {
    // Two sorted runs are merged in one pass.
    const sorted = hits.toSorted(newestFirst);
    this.#hits = this.#hits.concat(sorted).toSorted(newestFirst).slice(0, this.#limit);
  }

  /** What is older than this is not wanted any more. */
  get floor(): bigint | null {
    return this.#hits.length < this.#limit ? null : (this.#hits.at(-1) as Hit).at;
  }

  get hits(): Hit[] {
    return this.#hits;
  }
}

/** Hits in cold files, newest first; `limit` at most, after `position`. */
export async function newestHits(
  reader: ColdReader,
  files: readonly FoundFile[],
  filter: EventFilter,
  limit: number,
  position: EventPosition | null,
): Promise<Hit[]> {
  const newest = new Newest(limit);
  const conditions = conditionsOf(filter, position);
  const isWanted = isAfter(position);
  for await (const { found, ref, file, group } of groupsIn(reader, files, filter, () => newest.floor)) {
    const matches = await matching(file, group, exceptReturned(conditions, found.returned));
    const hits = await hitsOf(ref, group, matches, newest.floor);
    if (hits.length > 0) newest.add(hits.filter(isWanted));
  }
  return newest.hits;
}

/**
 * The row groups that could hold events of a filter, file by file; of each the one with the newest event first. Those with
 * events before the floor alone are left out.
 */
export async function* groupsIn(
  reader: ColdReader,
  files: readonly FoundFile[],
  filter: EventFilter,
  floor: () => bigint | null = () => null,
): AsyncGenerator<{ found: FoundFile; ref: FileRef; file: ColdFile; group: RowGroup }> {
  const pruning = pruningFilter(filter);
  const isTooOld = (newest: bigint) => {
    const least = floor();
    return least !== null && newest < least;
  };
  for (const found of files) {
    if (isTooOld(toMicros(found.maxCreatedAt))) return;
    const { ref, file } = await openFound(reader, found);
    const groups = (await file.groups(pruning)).filter((group) => isInRange(group, filter));
    for (const group of groups.toSorted((a, b) => Number(b.newest - a.newest))) {
      if (!isTooOld(group.newest)) yield { found, ref, file, group };
    }
  }
}

/** Times and ids of what matches, and is not older than the floor. */
export async function hitsOf(
  ref: FileRef,
  group: RowGroup,
  { rows, read }: Matches,
  floor: bigint | null = null,
): Promise<Hit[]> {
  if (rows.length === 0) return [];
  const time = await read("created_at");
  const wanted = floor === null ? rows : rows.filter((row) => (time(row) as bigint) >= floor);
  if (wanted.length === 0) return [];
  const id = await read("id");
  return wanted.map((row) => ({ ref, group, row, at: time(row) as bigint, id: id(row) as string }));
}

export async function openFound(
  { db, archive }: ColdReader,
  found: FoundFile,
): Promise<{ ref: FileRef; file: ColdFile }> {
  if (archive === null) throw new ColdFileError("away", found.objectKey);
  const ref = await coldFile(db, found.id);
  if (ref === null) throw new ColdFileError("missing", found.objectKey);
  return { ref, file: await openFile(archive, ref) };
}

function isInRange({ oldest, newest }: RowGroup, { from, to }: EventFilter): boolean {
  const ms = (micros: bigint) => Number(micros / 1_000n);
  return (
    (from === undefined || ms(newest) >= from.getTime() - 1) &&
    (to === undefined || ms(oldest) <= to.getTime() + 1)
  );
}

/** Whether a hit comes after a position, newest first. */
export function isAfter(position: EventPosition | null): (hit: Hit) => boolean {
  if (position === null) return () => true;
  const at = toMicros(position.createdAt);
  return (hit) => hit.at < at || (hit.at === at && hit.id < position.id);
}
