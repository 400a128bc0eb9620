import type { ParquetQueryFilter } from "hyparquet";
import type { Db } from "../../db/client.ts";
import { coldFile, type FoundFile } from "../../db/queries/cold.ts";
import type { EventFilter, EventPosition, EventRow } from "../../db/queries/events.ts";
import { COLUMN_NAMES, type Cell, type ColumnName } from "./columns.ts";
import { toEventRow } from "./event-row.ts";
import { conditionsOf, exceptReturned, pruningFilter, type Condition } from "./match.ts";
import { ColdFileError, openFile, type Archive, type ColdFile, type RowGroup } from "./open-file.ts";
import { toMicros } from "./times.ts";

/** Rows nearer than this are read together. */
const GAP_ROWS = 200;

/** Where cold files are looked up, and where they are; null without ARCHIVE_URL. */
export interface ColdReader {
  db: Db;
  archive: Archive | null;
}

interface Hit {
  file: ColdFile;
  group: RowGroup;
  row: number;
  at: bigint;
  id: string;
}

const newestFirst = (a: Hit, b: Hit) =>
  a.at === b.at ? (a.id < b.id ? 1 : a.id > b.id ? -1 : 0) : a.at < b.at ? 1 : -1;

/** The newest so many hits. */
class Newest {
  #hits: Hit[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(hits: Hit[]): void {
    this.#hits = [...this.#hits, ...hits].toSorted(newestFirst).slice(0, this.#limit);
  }

  /** What is older than this is not wanted any more. */
  get floor(): bigint | null {
    return this.#hits.length < this.#limit ? null : (this.#hits.at(-1) as Hit).at;
  }

  get hits(): Hit[] {
    return this.#hits;
  }
}

/**
 * Events in cold files, newest first; `limit` rows at most, after `position`. Reads of each file only the row groups that
 * could match, and of those only the columns that are asked for. Throws `ColdFileError` for a file that cannot be read.
 */
export async function searchCold(
  reader: ColdReader,
  files: FoundFile[],
  filter: EventFilter,
  limit: number,
  position: EventPosition | null,
): Promise<EventRow[]> {
  const newest = new Newest(limit);
  const conditions = conditionsOf(filter, position);
  const isAfter = after(position);
  for (const found of files) {
    if (newest.floor !== null && toMicros(found.maxCreatedAt) < newest.floor) break;
    const file = await open(reader, found);
    for (const group of await groupsOf(file, pruningFilter(filter))) {
      if (!mayHold(group, filter, newest.floor)) continue;
      const { rows, cells } = await matching(file, group, exceptReturned(conditions, found.returned));
      const floor = newest.floor;
      const times = cells("created_at");
      const wanted = floor === null ? rows : rows.filter((row) => (times[row] as bigint) >= floor);
      if (wanted.length === 0) continue;
      const ids = await file.read("id", group);
      const hits = wanted.map((row) => ({
        file,
        group,
        row,
        at: times[row] as bigint,
        id: ids[row] as string,
      }));
      newest.add(hits.filter(isAfter));
    }
  }
  return readHits(newest.hits);
}

/** How many events in cold files match. */
export async function countCold(
  reader: ColdReader,
  files: FoundFile[],
  filter: EventFilter,
): Promise<number> {
  const conditions = conditionsOf(filter, null);
  let count = 0;
  for (const found of files) {
    const file = await open(reader, found);
    const wanted = exceptReturned(conditions, found.returned);
    for (const group of await groupsOf(file, pruningFilter(filter))) {
      if (mayHold(group, filter, null)) count += (await matching(file, group, wanted)).rows.length;
    }
  }
  return count;
}

/** The oldest event with an id in cold files, or null. */
export async function findInCold(
  reader: ColdReader,
  files: FoundFile[],
  id: string,
  filter: Pick<EventFilter, "workspaceIds" | "includeDeleted">,
): Promise<EventRow | null> {
  const conditions: Condition[] = [
    { columns: ["id"], holds: (one) => one === id },
    ...conditionsOf(filter, null),
  ];
  for (const found of files.toReversed()) {
    const file = await open(reader, found);
    const hits: Hit[] = [];
    for (const group of await groupsOf(file, { id: { $eq: id } })) {
      const { rows, cells } = await matching(file, group, exceptReturned(conditions, found.returned));
      hits.push(...rows.map((row) => ({ file, group, row, at: cells("created_at")[row] as bigint, id })));
    }
    const oldest = hits.toSorted(newestFirst).at(-1);
    if (oldest) return (await readHits([oldest]))[0] ?? null;
  }
  return null;
}

async function open({ db, archive }: ColdReader, found: FoundFile): Promise<ColdFile> {
  if (archive === null) throw new ColdFileError("away", found.objectKey);
  const ref = await coldFile(db, found.id);
  if (ref === null) throw new ColdFileError("missing", found.objectKey);
  return openFile(archive, ref);
}

/** The group with the newest event first, so that the rest may be left out. */
const groupsOf = async (file: ColdFile, filter: ParquetQueryFilter | undefined) =>
  (await file.groups(filter)).toSorted((a, b) => (a.newest < b.newest ? 1 : a.newest > b.newest ? -1 : 0));

function mayHold(group: RowGroup, { from, to }: EventFilter, floor: bigint | null): boolean {
  const ms = (micros: bigint) => Number(micros / 1_000n);
  return (
    (floor === null || group.newest >= floor) &&
    (from === undefined || ms(group.newest) >= from.getTime() - 1) &&
    (to === undefined || ms(group.oldest) <= to.getTime() + 1)
  );
}

/** The rows of a group, counted from its first, that every condition holds for; a column is read when a row still needs it. */
async function matching(file: ColdFile, group: RowGroup, conditions: Condition[]) {
  const columns = new Map<ColumnName, Cell[]>();
  let rows = Array.from({ length: group.rowEnd - group.rowStart }, (_, i) => i);
  for (const condition of conditions) {
    if (rows.length === 0) break;
    const read: Cell[][] = [];
    for (const name of condition.columns) {
      const cells = columns.get(name) ?? (await file.read(name, group));
      columns.set(name, cells);
      read.push(cells);
    }
    const [first = []] = read;
    rows = rows.filter((row) =>
      read.length === 1
        ? condition.holds(first[row] ?? null)
        : condition.holds(...read.map((cells) => cells[row] ?? null)),
    );
  }
  return { rows, cells: (name: ColumnName) => columns.get(name) ?? [] };
}

function after(position: EventPosition | null): (hit: Hit) => boolean {
  if (position === null) return () => true;
  const at = toMicros(position.createdAt);
  return (hit) => hit.at < at || (hit.at === at && hit.id < position.id);
}

/** Every column of the hits, in their order. */
async function readHits(hits: Hit[]): Promise<EventRow[]> {
  const rows = new Map<Hit, EventRow>();
  for (const run of runsOf(hits)) {
    const [{ file, group, row: start }] = run as [Hit];
    const range = { rowStart: group.rowStart + start, rowEnd: group.rowStart + (run.at(-1) as Hit).row + 1 };
    const columns: Cell[][] = [];
    for (const name of COLUMN_NAMES) columns.push(await file.read(name, range));
    for (const hit of run) rows.set(hit, toEventRow(columns.map((cells) => cells[hit.row - start] ?? null)));
  }
  return hits.map((hit) => rows.get(hit) as EventRow);
}

/** Hits that lie close to each other in a row group, together. */
function runsOf(hits: Hit[]): Hit[][] {
  const groups = new Map<RowGroup, Hit[]>();
  for (const hit of hits) {
    const inGroup = groups.get(hit.group);
    if (inGroup) inGroup.push(hit);
    else groups.set(hit.group, [hit]);
  }
  const runs: Hit[][] = [];
  for (const inGroup of groups.values()) {
    let run: Hit[] = [];
    for (const hit of inGroup.toSorted((a, b) => a.row - b.row)) {
      if (run.length > 0 && hit.row - (run.at(-1) as Hit).row > GAP_ROWS) {
        runs.push(run);
        run = [];
      }
      run.push(hit);
    }
    runs.push(run);
  }
  return runs;
}
