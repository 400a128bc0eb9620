import { progressBar } from "../progress.ts";
import { Journal, type Done, type ImportCounts, type ImportLog, type Reject } from "./journal.ts";
import { readBatches, type Line } from "./lines.ts";
import { LineError, textOf } from "./parse.ts";

export type Outcome = "stored" | "updated" | "present" | { refused: string };

export interface Importer<T> {
  kind: string;
  /** Throws a LineError. */
  parse(text: string): T;
  /** Items with the same key are not stored together, but in their order. */
  key(item: T): string;
  store(items: T[]): Promise<Outcome[]>;
  log: ImportLog;
}

interface Item<T> {
  line: Line;
  value: T;
}

/**
 * Imports a file line by line. What is done is noted beside the file, so that the same command goes on where one before
 * it ended; a batch that was stored and not noted is found present then.
 */
export async function runImport<T>(file: string, importer: Importer<T>): Promise<ImportCounts> {
  const { kind, log } = importer;
  const journal = await Journal.open(file, kind, log);
  const { start } = journal;
  const bar = progressBar(
    start.number > 0 ? `Going on with ${file} after line ${start.number}` : `Importing ${kind} from ${file}`,
    Math.max(1, journal.size - start.offset),
  );
  let offset = start.offset;
  for await (const { lines, end } of readBatches(file, start)) {
    journal.note(end, await importBatch(lines, importer));
    bar.advance(end - offset, `${file}: ${journal.counts.lines} lines`);
    offset = end;
  }
  await log.end(journal.importId, journal.counts);
  journal.end();
  bar.done(inWords(kind, journal));
  return journal.counts;
}

async function importBatch<T>(lines: readonly Line[], importer: Importer<T>): Promise<Done> {
  const counts = { stored: 0, updated: 0, present: 0, rejected: 0, blank: 0 };
  const rejects: Reject[] = [];
  const reject = ({ number, text }: Line, reason: string) => {
    counts.rejected++;
    rejects.push({ line: number, reason, text });
  };
  const items: Item<T>[] = [];
  for (const line of lines) {
    if (line.text?.trim() === "") {
      counts.blank++;
      continue;
    }
    try {
      items.push({ line, value: importer.parse(textOf(line)) });
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      reject(line, error.message);
    }
  }
  for (const turn of inTurns(items, ({ value }) => importer.key(value))) {
    const outcomes = await importer.store(turn.map(({ value }) => value));
    for (const [i, outcome] of outcomes.entries()) {
      if (typeof outcome === "string") counts[outcome]++;
      else reject((turn[i] as Item<T>).line, outcome.refused);
    }
  }
  return { counts, rejects: rejects.toSorted((a, b) => a.line - b.line) };
}

/** The first item of each key, then the second of each, and so on. */
function inTurns<T>(items: readonly T[], key: (item: T) => string): T[][] {
  const turns: T[][] = [];
  const seen = new Map<string, number>();
  for (const item of items) {
    const turn = seen.get(key(item)) ?? 0;
    seen.set(key(item), turn + 1);
    (turns[turn] ??= []).push(item);
  }
  return turns;
}

function inWords(kind: string, { counts, rejectsFile }: Journal): string {
  const { lines, blank, stored, updated, present, rejected } = counts;
  const parts = [
    `${lines} lines: ${stored} ${kind} stored`,
    ...(updated > 0 ? [`${updated} updated`] : []),
    `${present} stored before`,
    `${rejected} rejected${rejected > 0 ? ` (see ${rejectsFile})` : ""}`,
    ...(blank > 0 ? [`${blank} blank`] : []),
  ];
  return `${parts.join(", ")}.`;
}
