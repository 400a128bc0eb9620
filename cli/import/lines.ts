import fs from "node:fs";

const NEWLINE = 0x0a;
/** A trail or an event of full size, and what its text may be longer than that. */
export const LINE_BYTES_MAX = 4 * 1024 * 1024;

export interface Line {
  /** The first line is 1. */
  number: number;
  /** Null: longer than LINE_BYTES_MAX. */
  text: string | null;
  /** Where the next line begins. */
  end: number;
}

export interface Start {
  offset: number;
  /** Lines before it. */
  number: number;
}

/** The lines of a file from a place on, without their ends; one that is too long is passed over, not read into memory. */
export async function* readLines(
  file: string,
  start: Start = { offset: 0, number: 0 },
): AsyncGenerator<Line> {
  let { offset, number } = start;
  let pieces: Buffer[] = [];
  let bytes = 0;
  const take = (piece: Buffer) => {
    bytes += piece.length;
    if (bytes <= LINE_BYTES_MAX) pieces.push(piece);
    else pieces = [];
  };
  const line = (): Line => {
    const text = bytes > LINE_BYTES_MAX ? null : Buffer.concat(pieces).toString("utf8").replace(/\r$/, "");
    pieces = [];
    bytes = 0;
    return { number: ++number, text, end: offset };
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
