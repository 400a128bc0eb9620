import { coldFilesIn, type ColdRange, type FoundFile } from "../../db/queries/cold.ts";
import {
  countEvents as countStored,
  findEvent as findStored,
  listEvents as listStored,
  type EventFilter,
  type EventPosition,
  type EventRow,
} from "../../db/queries/events.ts";
import { ColdFileError } from "../cold/open-file.ts";
import { countCold, findInCold, searchCold, type ColdReader } from "../cold/search.ts";
import { toMicros } from "../cold/times.ts";
import { ServiceError } from "../errors.ts";

const UUID_VERSION_AT = 14;
const UUID_TIME_DIGITS = 12;
/** An event is stored in the statement that makes its id, which ends sooner. */
const ID_BEFORE_EVENT_MS = 10 * 60 * 1_000;

/** How far this clock and the database's may be apart. */
const CLOCKS_APART_MS = 60 * 60 * 1_000;

/** Months become cold one at a time, so a read that is overtaken twice is hardly overtaken again. */
const ATTEMPTS_MAX = 5;
const RETRY_AFTER_S = 2;

/**
 * Events wherever they lie, hot, archived or cold, newest first: `limit` rows at most, after `position`. Each is found once.
 * Throws `ColdFileError` for a cold file that is needed and cannot be read.
 */
export async function findEvents(
  reader: ColdReader,
  filter: EventFilter,
  limit: number,
  position: EventPosition | null,
): Promise<EventRow[]> {
  const stored = await listStored(reader.db, filter, limit, position);
  const last = stored.length === limit ? (stored.at(-1) as EventRow) : null;
  // What is cold is of a month that is over, so a full page of newer rows leaves no room for it.
  if (last !== null && last.createdAt.getTime() >= startOfMonth()) return stored;
  return withColdFiles(reader, { ...rangeOf(filter), until: position?.createdAt }, async (files) => {
    const newer =
      last === null ? files : files.filter(({ maxCreatedAt }) => isAtOrAfter(maxCreatedAt, last.position));
    if (newer.length === 0) return stored;
    const cold = await searchCold(reader, newer, filter, limit, position);
    return once([...stored, ...cold])
      .toSorted(newestFirst)
      .slice(0, limit);
  });
}

/** The event with an id, wherever it lies, or null. An id is unique with its time only; the first holder of it is the event. */
export async function findEvent(
  reader: ColdReader,
  id: string,
  filter: Pick<EventFilter, "workspaceIds" | "includeDeleted">,
): Promise<EventRow | null> {
  const stored = await findStored(reader.db, id, filter);
  if (stored !== null && isOfItsTime(stored)) return stored;
  return withColdFiles(reader, { workspaceIds: filter.workspaceIds, id }, async (files) => {
    const cold = await findInCold(reader, files, id, filter);
    if (cold === null || stored === null) return cold ?? stored;
    return isAtOrAfter(cold.position, stored.position) ? stored : cold;
  });
}

/**
 * How many events match, wherever they lie. The database is counted between two looks at the cold files: when both saw the
 * same, no month left it in between.
 */
export async function countEvents(reader: ColdReader, filter: EventFilter): Promise<number> {
  const range = rangeOf(filter);
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const before = await coldFilesIn(reader.db, range);
    const stored = await countStored(reader.db, filter);
    const counted = await withColdFiles(reader, range, async (files) =>
      isSame(before, files) ? stored + (await countCold(reader, files, filter)) : null,
    );
    if (counted !== null) return counted;
  }
  throw new ServiceError("unavailable", "Months become cold files just now. Send the same request again.", {
    retryAfterSeconds: RETRY_AFTER_S,
  });
}

/**
 * Looks up the cold files of a range, after the database was read: a month's rows leave it in the transaction that shows its
 * files, so what a read found no more is in a file by now, and what it found in both is the same row. A file that was purged
 * meanwhile is no fault: then the files are looked up again.
 */
async function withColdFiles<T>(
  { db }: ColdReader,
  range: ColdRange,
  search: (files: FoundFile[]) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const files = await coldFilesIn(db, range);
    try {
      return await search(files);
    } catch (error) {
      if (!(error instanceof ColdFileError) || attempt === ATTEMPTS_MAX) throw error;
      if (isSame(files, await coldFilesIn(db, range))) throw error;
    }
  }
}

/** Rows that were found in the database and in a file are one. */
function once(rows: EventRow[]): EventRow[] {
  return [...new Map(rows.map((row) => [`${row.id} ${row.position}`, row])).values()];
}

function startOfMonth(): number {
  const now = new Date();
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1) + CLOCKS_APART_MS;
}

const isAtOrAfter = (a: string, b: string) => toMicros(a) >= toMicros(b);

/** Whether an id says the time that its event has: no older event can have it then, so no file needs to be asked. */
function isOfItsTime({ id, createdAt }: EventRow): boolean {
  if (id.charAt(UUID_VERSION_AT) !== "7") return false;
  const made = Number.parseInt(id.replaceAll("-", "").slice(0, UUID_TIME_DIGITS), 16);
  return Math.abs(createdAt.getTime() - made) < ID_BEFORE_EVENT_MS;
}

const rangeOf = ({ workspaceIds, from, to }: EventFilter): ColdRange => ({ workspaceIds, from, to });

const isSame = (a: FoundFile[], b: FoundFile[]) =>
  a.length === b.length && a.every(({ id }, i) => id === b[i]?.id);

function newestFirst(a: EventRow, b: EventRow): number {
  const [x, y] = [toMicros(a.position), toMicros(b.position)];
  if (x !== y) return x < y ? 1 : -1;
  return a.id < b.id ? 1 : a.id > b.id ? -1 : 0;
}
