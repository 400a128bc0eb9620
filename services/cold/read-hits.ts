import { COLUMN_NAMES, type Cell } from "./columns.ts";
import type { Hit } from "./hits.ts";
import { openFile, type Archive, type ColdFile, type FileRef } from "./open-file.ts";

/** Rows nearer than this are read together. */
const GAP_ROWS = 200;

/** Read together: what is more is read as half as many rows. */
const TOGETHER_CHARACTERS_MAX = 16 * 1024 * 1024;

/** Every column of the first hits, in their order: of as many as there is memory for, and of one in any case. */
export async function readHits(archive: Archive, hits: readonly Hit[]): Promise<Cell[][]> {
  for (let some = hits; ; some = some.slice(0, Math.ceil(some.length / 2))) {
    const rows = await readTogether(archive, some);
    if (rows !== null) return rows;
  }
}

/** File by file and group by group, so that no more than one of them is open. Null for several that are too large together. */
async function readTogether(archive: Archive, hits: readonly Hit[]): Promise<Cell[][] | null> {
  const rows = new Map<Hit, Cell[]>();
  let characters = 0;
  for (const [ref, inFile] of groupBy(hits, (hit): FileRef => hit.ref)) {
    const file = await openFile(archive, ref);
    for (const inGroup of groupBy(inFile, (hit) => hit.group.rowStart).values()) {
      for (const run of runsOf(inGroup)) {
        await readRun(file, run, rows);
        for (const hit of run) characters += charactersOf(rows.get(hit) as Cell[]);
        if (characters > TOGETHER_CHARACTERS_MAX && hits.length > 1) return null;
      }
    }
  }
  return hits.map((hit) => rows.get(hit) as Cell[]);
}

const charactersOf = (cells: readonly Cell[]) =>
  cells.reduce((sum: number, cell) => sum + (typeof cell === "string" ? cell.length : 0), 0);

async function readRun(file: ColdFile, run: Hit[], rows: Map<Hit, Cell[]>): Promise<void> {
  const [{ group, row: first }, last] = [run[0] as Hit, run.at(-1) as Hit];
  const range = { rowStart: group.rowStart + first, rowEnd: group.rowStart + last.row + 1 };
  const columns: Cell[][] = [];
  for (const name of COLUMN_NAMES) columns.push(await file.read(name, range));
  for (const hit of run)
    rows.set(
      hit,
      columns.map((cells) => cells[hit.row - first] as Cell),
    );
}

function groupBy<K>(hits: readonly Hit[], keyOf: (hit: Hit) => K): Map<K, Hit[]> {
  const groups = new Map<K, Hit[]>();
  for (const hit of hits) {
    const group = groups.get(keyOf(hit));
    if (group) group.push(hit);
    else groups.set(keyOf(hit), [hit]);
  }
  return groups;
}

/** Hits of one row group that lie close to each other, together. */
function runsOf(hits: readonly Hit[]): Hit[][] {
  const runs: Hit[][] = [];
  let run: Hit[] = [];
  for (const hit of hits.toSorted((a, b) => a.row - b.row)) {
    if (run.length > 0 && hit.row - (run.at(-1) as Hit).row > GAP_ROWS) {
      runs.push(run);
      run = [];
    }
    run.push(hit);
  }
  runs.push(run);
  return runs;
}
