import { progressBar } from "../progress.ts";
import { Journal, type ImportCounts } from "./journal.ts";
import { LineError } from "./parse.ts";
import { LINE_BYTES_MAX, readLines, type Line } from "./lines.ts";

const BATCH_LINES = 500;
const BATCH_BYTES = 4 * 1024 * 1024;

export type Outcome = "stored" | "present" | { refused: string };

export interface Importer<T> {
  kind: string;
  /** Throws a LineError. */
  parse(text: string): T;
  /** Items with the same key do not go into one batch. */
  key(item: T): string;
  store(items: T[]): Promise<Outcome[]>;
}

interface Reject {
  line: number;
  reason: string;
  text: string | null;
}

/** Lines that are stored together, and what of them is done with already. */
class Batch<T> {
  readonly items = new Map<string, { line: Line; item: T }>();
  readonly rejects: Reject[] = [];
  blank = 0;
  end = 0;
  bytes = 0;

  get isFull(): boolean {
    return this.items.size + this.rejects.length + this.blank >= BATCH_LINES || this.bytes >= BATCH_BYTES;
  }

  reject({ number, text }: Line, reason: string): void {
    this.rejects.push({ line: number, reason, text });
  }
}

/**
 * Imports a file line by line. What is done is noted beside the file, so that the same command goes on where one before
 * it ended; a batch that was stored and not noted is found present then.
 */
export async function runImport<T>(file: string, importer: Importer<T>): Promise<ImportCounts> {
  const journal = new Journal(file, importer.kind);
  const bar = progressBar(
    journal.isResumed
      ? `Going on with ${file} after line ${journal.counts.lines}`
      : `Importing ${importer.kind} from ${file}`,
    Math.max(1, journal.size - journal.start.offset),
  );
  let batch = new Batch<T>();
  const store = async () => {
    if (batch.end === 0) return;
    const entries = [...batch.items.values()];
    const outcomes = entries.length > 0 ? await importer.store(entries.map(({ item }) => item)) : [];
    for (const [i, outcome] of outcomes.entries()) {
      if (typeof outcome === "object")
        batch.reject((entries[i] as (typeof entries)[0]).line, outcome.refused);
    }
    const count = (name: Outcome) => outcomes.filter((one) => one === name).length;
    const rejects = batch.rejects.toSorted((a, b) => a.line - b.line);
    bar.advance(batch.end - journal.start.offset);
    journal.note(
      batch.end,
      { blank: batch.blank, stored: count("stored"), present: count("present") },
      rejects,
    );
    batch = new Batch();
  };
  for await (const line of readLines(file, journal.start)) {
    const item = parse(importer, batch, line);
    if (item !== undefined) {
      const key = importer.key(item);
      if (batch.items.has(key)) await store();
      batch.items.set(key, { line, item });
    }
    batch.bytes += line.text?.length ?? 0;
    batch.end = line.end;
    if (batch.isFull) await store();
  }
  await store();
  journal.end();
  bar.done(inWords(importer.kind, journal));
  return journal.counts;
}

function parse<T>(importer: Importer<T>, batch: Batch<T>, line: Line): T | undefined {
  if (line.text === null) {
    batch.reject(line, `is longer than ${LINE_BYTES_MAX} bytes`);
  } else if (line.text.trim() === "") {
    batch.blank++;
  } else {
    try {
      return importer.parse(line.text);
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      batch.reject(line, error.message);
    }
  }
  return undefined;
}

function inWords(kind: string, { counts, rejectsFile }: Journal): string {
  const { lines, blank, stored, present, rejected } = counts;
  const parts = [
    `${lines} lines: ${stored} ${kind} stored`,
    `${present} stored before`,
    `${rejected} rejected${rejected > 0 ? ` (see ${rejectsFile})` : ""}`,
    ...(blank > 0 ? [`${blank} blank`] : []),
  ];
  return `${parts.join(", ")}.`;
}
