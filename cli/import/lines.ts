import { isUtf8 } from "node:buffer";
import fs from "node:fs";

const NEWLINE = 0x0a;
const BATCH_LINES = 500;
const BATCH_BYTES = 4 * 1024 * 1024;
/** A trail or an event of full size, and what its text may be longer than that. */
const LINE_BYTES_MAX = 4 * 1024 * 1024;

const TOO_LONG = { text: null, fault: `is longer than ${LINE_BYTES_MAX} bytes` };
const NOT_UTF8 = { text: null, fault: "is not valid UTF-8" };

export interface Line {
  /** The first line is 1. */
  number: number;
  text: string | null;
  /** Why there is no text. */
  fault: string | null;
  /** Where the next line begins. */
  end: number;
}

/** Lines of a file that are dealt with together. */
export interface Lines {
  lines: Line[];
  /** Where the next line begins. */
  end: number;
}

export interface Start {
  offset: number;
  /** Lines before it. */
  number: number;
}

/** As readLines, in batches that memory and one statement have room for. */
export async function* readBatches(file: string, start?: Start): AsyncGenerator<Lines> {
  let lines: Line[] = [];
  let bytes = 0;
  for await (const line of readLines(file, start)) {
    lines.push(line);
    bytes += line.text?.length ?? 0;
    if (lines.length < BATCH_LINES && bytes < BATCH_BYTES) continue;
    yield { lines, end: line.end };
    lines = [];
    bytes = 0;
  }
  const last = lines.at(-1);
  if (last) yield { lines, end: last.end };
}

/** The lines of a file from a place on, without their ends; one that is too long is passed over, not read into memory. */
async function* readLines(file: string, start: Start = { offset: 0, number: 0 }): AsyncGenerator<Line> {
  let { offset, number } = start;
  let pieces: Buffer[] = [];
  let bytes = 0;
  const take = (piece: Buffer) => {
    bytes += piece.length;
    if (bytes <= LINE_BYTES_MAX) pieces.push(piece);
    else pieces = [];
  };
  const line = (): Line => {
    const read = bytes > LINE_BYTES_MAX ? TOO_LONG : decoded(Buffer.concat(pieces));
    pieces = [];
    bytes = 0;
    return { number: ++number, ...read, end: offset };
  };
  for await (const chunk of fs.createReadStream(file, { start: start.offset }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      take(chunk.subarray(from, at));
      offset += at + 1 - from;
      from = at + 1;
      yield line();
    }
    take(chunk.subarray(from));
    offset += chunk.length - from;
  }
  if (bytes > 0) yield line();
}

/** Editors put a byte order mark before a text, and so before what follows it in a file of several. */
const decoded = (bytes: Buffer) =>
  isUtf8(bytes) ? { text: bytes.toString("utf8").replaceAll(/^\uFEFF|\r$/g, ""), fault: null } : NOT_UTF8;
