/** From the byte `start` up to, not including, the byte `end`. */
export interface ByteRange {
  start: number;
  end: number;
}

/**
 * Where files are kept: a folder or a bucket. A key is lower-case letters, digits, `.`, `_`, `-` and `/`. Whatever cannot be
 * reached or answers with an error of its own throws a `StorageError` with the reason `away`.
 */
export interface Storage {
  /** Stores the whole object or nothing; nobody ever reads half of it. Replaces one of the same key. */
  put(key: string, body: Uint8Array): Promise<void>;
  /** The object, or a part of it. Throws `StorageError`: `missing`, or `short` when it ends before the range does. */
  get(key: string, range?: ByteRange): Promise<Uint8Array>;
  /** The object's size, or null when there is none. */
  head(key: string): Promise<{ bytes: number } | null>;
  /** Removes an object; one that is not there is removed already. */
  delete(key: string): Promise<void>;
}

type StorageFault = "missing" | "short" | "away";

const WORDS: Record<StorageFault, string> = {
  missing: "is not there",
  short: "is shorter than it was",
  away: "cannot be reached",
};

/** Names the object and never quotes what it holds, nor a credential. */
export class StorageError extends Error {
  override name = "StorageError";
  readonly fault: StorageFault;
  readonly key: string;

  constructor(fault: StorageFault, key: string, cause?: unknown) {
    super(`${key} ${WORDS[fault]}`, { cause });
    this.fault = fault;
    this.key = key;
  }
}

const KEY_SHAPE = /^[a-z0-9][a-z0-9._-]*(\/[a-z0-9][a-z0-9._-]*)*$/;
const KEY_LENGTH_MAX = 500;

/** Throws a TypeError for a key that could lead out of the folder or that a bucket would spell otherwise. */
export function checkKey(key: string): string {
  if (key.length > KEY_LENGTH_MAX || !KEY_SHAPE.test(key)) throw new TypeError("not a key of stored objects");
  return key;
}

/** Exactly the bytes of a range, or a fault. */
export function exactly(body: Uint8Array, key: string, range: ByteRange | undefined): Uint8Array {
  if (range !== undefined && body.length !== range.end - range.start) throw new StorageError("short", key);
  return body;
}
