import type { Bounded } from "../../db/queries/bounded.ts";
import { coldFilesIn, type ColdRange, type FoundFile } from "../../db/queries/cold-files.ts";
import {
  countEvents as countStored,
  findEvent as findStored,
  ID_BEFORE_EVENT_MS,
  listEvents as listStored,
  type EventFilter,
  type EventPosition,
  type EventRow,
} from "../../db/queries/events.ts";
import { uuidTime } from "../../lib/uuid.ts";
import { ColdFileError } from "../cold/open-file.ts";
import { newestFirst, type ColdReader } from "../cold/hits.ts";
import { countCold, findInCold, searchCold } from "../cold/search.ts";
import { toMicros } from "../cold/times.ts";
import { ServiceError } from "../errors.ts";

/** How far this clock and the database's may be apart. */
const CLOCKS_APART_MS = 60 * 60 * 1_000;

/** Months become cold one at a time, so a read that is overtaken twice is hardly overtaken again. */
const ATTEMPTS_MAX = 5;
const RETRY_AFTER_S = 2;

/**
 * Events wherever they lie, hot, archived or cold, newest first: `limit` rows at most, and not many more than so many
 * `bytes`, after `position`. Each is found once. Throws `ColdFileError` for a cold file that is needed and cannot be read. Whoever
 * reads page after page to the end gives a `search` of its own (`searchingAhead()`).
 */
export async function findEvents(
  reader: ColdReader,
  filter: EventFilter,
  { limit, bytes }: { limit: number; bytes: number },
  position: EventPosition | null,
  search = searchCold,
): Promise<Bounded<EventRow>> {
  const lastOf = ({ rows, isCut }: Bounded<EventRow>) =>
    rows.length === limit || isCut ? (rows.at(-1) as EventRow) : null;
  return inBoth(
    reader,
    { ...rangeOf(filter), until: position?.createdAt },
    {
      read: () => listStored(reader.db, filter, { limit, bytes }, position),
      // What is cold is of a month that is over, so a full page of newer rows leaves no room for it.
      isEnough: (stored) => (lastOf(stored)?.createdAt.getTime() ?? 0) >= startOfMonth(),
      add: async (stored, files) => {
        const last = lastOf(stored);
        const newer =
          last === null
            ? files
            : files.filter(({ maxCreatedAt }) => isAtOrAfter(maxCreatedAt, last.position));
        if (newer.length === 0) return stored;
        const cold = await search(reader, newer, filter, limit, position);
        return merged(stored, cold, limit);
      },
    },
  );
}

/** The event with an id, wherever it lies, or null. An id is unique with its time only; the first holder of it is the event. */
export async function findEvent(
  reader: ColdReader,
  id: string,
  filter: Pick<EventFilter, "workspaceIds" | "includeDeleted">,
): Promise<EventRow | null> {
  return inBoth(
    reader,
    { workspaceIds: filter.workspaceIds, id },
    {
      read: () => findStored(reader.db, id, filter),
      isEnough: (row) => row !== null && isOfItsTime(row),
      add: async (stored, files) => {
        const cold = await findInCold(reader, files, id, filter);
        if (cold === null || stored === null) return cold ?? stored;
        return isAtOrAfter(cold.position, stored.position) ? stored : cold;
      },
    },
  );
}

/** How many events match, wherever they lie. */
export async function countEvents(reader: ColdReader, filter: EventFilter): Promise<number> {
  return inBoth(reader, rangeOf(filter), {
    read: () => countStored(reader.db, filter),
    add: async (stored, files) => stored + (await countCold(reader, files, filter)),
    countsTwice: true,
  });
}

interface Reading<S, T> {
  /** Reads the database. */
  read: () => Promise<S>;
  /** Whether no file could hold what is still wanted. */
  isEnough?: (stored: S) => boolean;
  /** Adds what the files hold, without what was brought back from them. */
  add: (stored: S, files: FoundFile[]) => Promise<T>;
  /** Whether an event that is found in the database and in a file would count as two. */
  countsTwice?: boolean;
}

/**
 * Reads the database, and after it the list of the cold files: a month's rows leave the database in the transaction that shows
 * its files, so what the read found no more is in a file by now, and what it found in both is the same row. An event that was
 * brought back is left out of its file; that is right if it was in the database at the time of the read, so the database is read
 * between two looks at the list that show the same. The same goes for counts. A file that was purged meanwhile is no fault.
 */
async function inBoth<S, T>({ db }: ColdReader, range: ColdRange, reading: Reading<S, T>): Promise<T> {
  const { read, isEnough = () => false, add, countsTwice = false } = reading;
  let before = countsTwice ? await coldFilesIn(db, range) : null;
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const stored = await read();
    const files = isEnough(stored) ? [] : await coldFilesIn(db, range);
    const hasReturned = files.some(({ returned }) => returned.length > 0);
    if ((countsTwice || hasReturned) && !(before && isSame(before, files))) {
      before = files;
      continue;
    }
    try {
      return await add(stored, files);
    } catch (error) {
      if (!(error instanceof ColdFileError) || attempt === ATTEMPTS_MAX) throw error;
      before = await coldFilesIn(db, range);
      if (isSame(files, before)) throw error;
    }
  }
  throw new ServiceError("unavailable", "Months become cold files just now. Send the same request again.", {
    retryAfterSeconds: RETRY_AFTER_S,
  });
}

function merged(stored: Bounded<EventRow>, cold: Bounded<EventRow>, limit: number): Bounded<EventRow> {
  // What a list that was cut would go on with may come before the rest of the other.
  const ends = [stored, cold].flatMap(({ rows, isCut }) => (isCut ? rows.slice(-1) : []));
  const rows = once([...cold.rows, ...stored.rows])
    .filter((row) => ends.every((end) => newestFirst(placeOf(row), placeOf(end)) <= 0))
    .toSorted((a, b) => newestFirst(placeOf(a), placeOf(b)))
    .slice(0, limit);
  return { rows, isCut: ends.length > 0 };
}

/** Rows that were found in the database and in a file are one: the database's, which come last here. */
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
  const made = uuidTime(id);
  return made !== null && Math.abs(createdAt.getTime() - made) < ID_BEFORE_EVENT_MS;
}

const rangeOf = ({ workspaceIds, from, to }: EventFilter): ColdRange => ({ workspaceIds, from, to });

const isSame = (a: FoundFile[], b: FoundFile[]) => JSON.stringify(a) === JSON.stringify(b);

const placeOf = ({ position, id }: EventRow) => ({ at: toMicros(position), id });
