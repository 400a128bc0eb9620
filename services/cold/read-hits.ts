import { COLUMN_NAMES, type Cell } from "./columns.ts";
import type { Hit } from "./hits.ts";
import { openFile, type Archive, type ColdFile, type FileRef } from "./open-file.ts";

/** Rows nearer than this are read together. */
const GAP_ROWS = 200;

/** Every column of the hits, in their order; file by file and group by group, so that no more than one of them is open. */
export async function readHits(archive: Archive, hits: readonly Hit[]): Promise<Cell[][]> {
  const rows = new Map<Hit, Cell[]>();
  for (const [ref, inFile] of groupBy(hits, (hit): FileRef => hit.ref)) {
    const file = await openFile(archive, ref);
    for (const inGroup of groupBy(inFile, (hit) => hit.group.rowStart).values()) {
      for (const run of runsOf(inGroup)) await readRun(file, run, rows);
    }
  }
  return hits.map((hit) => rows.get(hit) as Cell[]);
}

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
