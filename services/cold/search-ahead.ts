import type { Cell } from "./columns.ts";
import { toEventRow } from "./event-row.ts";
import { isAfter, newestHits, type Hit } from "./hits.ts";
import type { Archive } from "./open-file.ts";
import { readHits } from "./read-hits.ts";
import type { searchCold } from "./search.ts";

/** Found at once, by time and id alone: some 4 MB. */
const HITS_MAX = 20_000;
/** Read at once, with all columns: some 8 MB; fewer of large ones. */
const ROWS_MAX = 4_000;

/**
 * A `searchCold` for a reader who wants page after page of one filter, to its end: files are sorted by workspace, so each page
 * alone would look through the whole month again. It keeps what it found beyond the page, of files that are still listed.
 */
export function searchingAhead(): typeof searchCold {
  let seen = new Set<string>();
  let hits: Hit[] = [];
  let rows = new Map<Hit, Cell[]>();
  let rowsMax = ROWS_MAX;
  let isWhole = false;
  return async (reader, files, filter, limit, position) => {
    const keys = new Set(files.map(({ objectKey }) => objectKey));
    const isWanted = isAfter(position);
    hits = hits.filter((hit) => keys.has(hit.ref.key) && isWanted(hit));
    // What was brought back from a file counts there no more.
    const marks = files.map(({ objectKey, returned }) => `${objectKey} ${JSON.stringify(returned)}`);
    if (marks.some((mark) => !seen.has(mark)) || (hits.length < limit && !isWhole)) {
      const most = Math.max(limit, HITS_MAX);
      hits = await newestHits(reader, files, filter, most, position);
      isWhole = hits.length < most;
      seen = new Set(marks);
    }
    const page = hits.slice(0, limit);
    if (page[0] && !rows.has(page[0])) {
      const ahead = hits.slice(0, Math.max(limit, rowsMax));
      const read = await readHits(reader.archive as Archive, ahead);
      rowsMax = read.length < ahead.length ? 2 * read.length : ROWS_MAX;
      rows = new Map(read.map((cells, i) => [ahead[i] as Hit, cells]));
    }
    const found = page.filter((hit) => rows.has(hit));
    return {
      rows: found.map((hit) => toEventRow(rows.get(hit) as Cell[])),
      isCut: found.length < page.length,
    };
  };
}
