import fs from "node:fs";
import os from "node:os";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { isAlive } from "../../local/processes.ts";

const counts = z.object({
  lines: z.int(),
  stored: z.int(),
  updated: z.int(),
  present: z.int(),
  rejected: z.int(),
  blank: z.int(),
});
/** lines = stored + updated + present + rejected + blank. */
export type ImportCounts = z.infer<typeof counts>;

export interface Reject {
  line: number;
  reason: string;
  text: string | null;
}

/** What became of lines, and those that were rejected, in their order. */
export interface Done {
  counts: Omit<ImportCounts, "lines">;
  rejects: Reject[];
}

const state = z.object({
  /** What the file was like and where it went: another one is begun anew. */
  source: z.object({ kind: z.string(), target: z.string(), size: z.int(), modifiedMs: z.number() }),
  importId: z.string(),
  /** The process that writes it, and its machine: another has other processes. */
  pid: z.int(),
  host: z.string(),
  offset: z.int(),
  rejectsBytes: z.int(),
  counts,
});
type State = z.infer<typeof state>;

/** Rejected lines are what people wrote: others on the machine have no business with them. */
const OWN = { mode: 0o600 };

const NOTHING: ImportCounts = { lines: 0, stored: 0, updated: 0, present: 0, rejected: 0, blank: 0 };

/** Where imports are known by their ids. */
export interface ImportLog {
  /** What is imported into, as far as this machine can name it. */
  target: string;
  begin(): Promise<string>;
  isKnown(importId: string): Promise<boolean>;
  end(importId: string, counts: ImportCounts): Promise<void>;
}

/** How far the import of a file has come, and which of its lines were rejected; both lie beside it. */
export class Journal {
  readonly rejectsFile: string;
  readonly #file: string;
  readonly #state: State;

  /**
   * Goes on with what the last one left if that was of this file, into this database; else begins anew. Throws while
   * another process of this machine is at it.
   */
  static async open(file: string, kind: string, log: ImportLog): Promise<Journal> {
    const { size, mtimeMs: modifiedMs } = fs.statSync(file);
    const source = { kind, target: log.target, size, modifiedMs };
    const left = read(noteOf(file));
    const writer = { pid: process.pid, host: os.hostname() };
    if (left && left.host === writer.host && left.pid !== writer.pid && isAlive(left.pid))
      throw new Error(
        `Process ${left.pid} is importing this file. Wait for it, or end it; if it does something else, delete ${noteOf(file)}.`,
      );
    if (left && (await isOf(left, source, file, log))) return new Journal(file, { ...left, ...writer });
    const importId = await log.begin();
    return new Journal(file, {
      source,
      importId,
      ...writer,
      offset: 0,
      rejectsBytes: 0,
      counts: { ...NOTHING },
    });
  }

  private constructor(file: string, known: State) {
    this.rejectsFile = rejectsOf(file);
    this.#file = noteOf(file);
    this.#state = known;
    // What was rejected after the last note is read, and rejected, again.
    if (known.rejectsBytes > 0) fs.truncateSync(this.rejectsFile, known.rejectsBytes);
    else fs.rmSync(this.rejectsFile, { force: true });
    this.#write();
  }

  get start(): { offset: number; number: number } {
    return { offset: this.#state.offset, number: this.#state.counts.lines };
  }

  get size(): number {
    return this.#state.source.size;
  }

  get importId(): string {
    return this.#state.importId;
  }

  get counts(): ImportCounts {
    return this.#state.counts;
  }

  /** Notes that all before `offset` is done. */
  note(offset: number, done: Done): void {
    const text = done.rejects.map((one) => `${JSON.stringify(one)}\n`).join("");
    if (text !== "") fs.appendFileSync(this.rejectsFile, text, OWN);
    const { counts } = this.#state;
    for (const [name, count] of Object.entries(done.counts) as [keyof Done["counts"], number][]) {
      counts[name] += count;
      counts.lines += count;
    }
    this.#state.rejectsBytes += Buffer.byteLength(text);
    this.#state.offset = offset;
    this.#write();
  }

  /** The import is complete: the next one begins anew. */
  end(): void {
    fs.rmSync(this.#file, { force: true });
  }

  #write(): void {
    fs.writeFileSync(`${this.#file}.new`, JSON.stringify(this.#state), OWN);
    fs.renameSync(`${this.#file}.new`, this.#file);
  }
}

const noteOf = (file: string) => `${file}.import.json`;
const rejectsOf = (file: string) => `${file}.rejected`;

function read(file: string): State | undefined {
  try {
    return state.parse(JSON.parse(fs.readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}

async function isOf(left: State, source: State["source"], file: string, log: ImportLog): Promise<boolean> {
  const rejectsBytes = fs.statSync(rejectsOf(file), { throwIfNoEntry: false })?.size ?? 0;
  return (
    isDeepStrictEqual(left.source, source) &&
    rejectsBytes >= left.rejectsBytes &&
    (await log.isKnown(left.importId))
  );
}
