import fs from "node:fs";
import { z } from "zod";

const counts = z.object({
  lines: z.int(),
  blank: z.int(),
  stored: z.int(),
  present: z.int(),
  rejected: z.int(),
});
/** lines = blank + stored + present + rejected. */
export type ImportCounts = z.infer<typeof counts>;

const state = z.object({
  kind: z.string(),
  /** What the file was like; another one is begun anew. */
  size: z.int(),
  modifiedMs: z.number(),
  offset: z.int(),
  rejectsBytes: z.int(),
  counts,
});
type State = z.infer<typeof state>;

const NOTHING: ImportCounts = { lines: 0, blank: 0, stored: 0, present: 0, rejected: 0 };

/** How far the import of a file has come, and which of its lines were rejected; both lie beside it. */
export class Journal {
  readonly rejectsFile: string;
  readonly size: number;
  readonly isResumed: boolean;
  readonly #file: string;
  readonly #state: State;

  constructor(file: string, kind: string) {
    const { size, mtimeMs: modifiedMs } = fs.statSync(file);
    this.#file = `${file}.import.json`;
    this.rejectsFile = `${file}.rejected.ndjson`;
    this.size = size;
    const known = this.#read();
    this.isResumed = known?.kind === kind && known.size === size && known.modifiedMs === modifiedMs;
    this.#state =
      known && this.isResumed
        ? known
        : { kind, size, modifiedMs, offset: 0, rejectsBytes: 0, counts: { ...NOTHING } };
    // What was rejected after the last note is read, and rejected, again.
    if (this.#state.rejectsBytes > 0) fs.truncateSync(this.rejectsFile, this.#state.rejectsBytes);
    else fs.rmSync(this.rejectsFile, { force: true });
  }

  get start(): { offset: number; number: number } {
    return { offset: this.#state.offset, number: this.#state.counts.lines };
  }

  get counts(): ImportCounts {
    return this.#state.counts;
  }

  /** Notes that all before `offset` is done. */
  note(offset: number, done: Omit<ImportCounts, "lines" | "rejected">, rejects: readonly object[]): void {
    const text = rejects.map((one) => `${JSON.stringify(one)}\n`).join("");
    if (text !== "") fs.appendFileSync(this.rejectsFile, text);
    const { counts } = this.#state;
    counts.blank += done.blank;
    counts.stored += done.stored;
    counts.present += done.present;
    counts.rejected += rejects.length;
    counts.lines = counts.blank + counts.stored + counts.present + counts.rejected;
    this.#state.rejectsBytes += Buffer.byteLength(text);
    this.#state.offset = offset;
    fs.writeFileSync(`${this.#file}.new`, JSON.stringify(this.#state));
    fs.renameSync(`${this.#file}.new`, this.#file);
  }

  /** The import is complete: the next one begins anew. */
  end(): void {
    fs.rmSync(this.#file, { force: true });
  }

  #read(): State | undefined {
    try {
      return state.parse(JSON.parse(fs.readFileSync(this.#file, "utf8")));
    } catch {
      return undefined;
    }
  }
}
