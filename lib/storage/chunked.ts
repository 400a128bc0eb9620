import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import type { ArchiveKey } from "./archive-keys.ts";
import type { ByteRange, Storage } from "./storage.ts";

const ALGORITHM = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const DIGEST_BYTES = 32;
/** What is read, checked and decrypted at once. */
export const CHUNK_BYTES = 256 * 1024;
/** Chunks that an open object keeps, 4 MiB. */
const CACHED_CHUNKS_MAX = 16;

interface Encryption {
  algorithm: "AES-256-GCM";
  keyName: string;
}

/** What has to be known of an object to read any part of it and be sure of it. */
export interface ChunkedObject {
  key: string;
  /** As stored. */
  bytes: number;
  /** Of a chunk as stored; the last one is shorter. */
  chunkBytes: number;
  /** SHA-256 of each chunk as stored, one after the other. */
  chunkDigests: Uint8Array;
  encryption: Encryption | null;
}

type ChunkFault = "damaged" | "unknown key";

/** An object that is not what was stored, or that none of the keys opens. */
export class ChunkError extends Error {
  override name = "ChunkError";
  readonly fault: ChunkFault;
  readonly key: string;

  constructor(fault: ChunkFault, key: string) {
    super(
      fault === "damaged"
        ? `${key} is not what was stored`
        : `${key} was encrypted with a key that is not set`,
    );
    this.fault = fault;
    this.key = key;
  }
}

/**
 * Splits a file into chunks, each encrypted by itself (AES-256-GCM, NIST SP 800-38D: a random nonce, the ciphertext, the tag)
 * if there is a key, so that a range needs only its own chunks. Each chunk is bound to the object's key, its place and the
 * count of chunks: none can be moved, left out or put into another object.
 */
export function toChunks(
  key: string,
  plain: Uint8Array,
  archiveKey: ArchiveKey | null,
): { object: ChunkedObject; body: Uint8Array } {
  const count = Math.ceil(plain.length / CHUNK_BYTES);
  const chunks: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const part = plain.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES);
    chunks.push(archiveKey ? encrypt(part, archiveKey.secret, placeOf(key, i, count)) : part);
  }
  const body = archiveKey ? Buffer.concat(chunks) : plain;
  const object: ChunkedObject = {
    key,
    bytes: body.length,
    chunkBytes: CHUNK_BYTES + (archiveKey ? NONCE_BYTES + TAG_BYTES : 0),
    chunkDigests: Buffer.concat(chunks.map(digestOf)),
    encryption: archiveKey ? { algorithm: "AES-256-GCM", keyName: archiveKey.name } : null,
  };
  return { object, body };
}

/** An object opened for reading in parts, as plain bytes; each chunk that is read is checked against its digest. */
export function openChunked(storage: Storage, object: ChunkedObject, keys: readonly ArchiveKey[]) {
  const { encryption } = object;
  const overhead = encryption ? NONCE_BYTES + TAG_BYTES : 0;
  const plainChunk = object.chunkBytes - overhead;
  const count = Math.ceil(object.bytes / object.chunkBytes);
  if (count * DIGEST_BYTES !== object.chunkDigests.length) throw new ChunkError("damaged", object.key);
  const archiveKey = encryption && keys.find(({ name }) => name === encryption.keyName);
  if (archiveKey === undefined) throw new ChunkError("unknown key", object.key);
  const byteLength = object.bytes - count * overhead;
  const cache = new Map<number, Uint8Array>();

  const toPlain = (stored: Uint8Array, i: number): Uint8Array => {
    const digest = object.chunkDigests.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES);
    if (!Buffer.from(digest).equals(digestOf(stored))) throw new ChunkError("damaged", object.key);
    if (archiveKey === null) return stored;
    try {
      return decrypt(stored, archiveKey.secret, placeOf(object.key, i, count));
    } catch {
      throw new ChunkError("damaged", object.key);
    }
  };

  /** Reads neighbouring chunks that are not there yet by one request. */
  const load = async (first: number, last: number): Promise<void> => {
    const range: ByteRange = {
      start: first * object.chunkBytes,
      end: Math.min((last + 1) * object.chunkBytes, object.bytes),
    };
    const stored = await storage.get(object.key, range);
    for (let i = first; i <= last; i++) {
      const start = (i - first) * object.chunkBytes;
      cache.set(i, toPlain(stored.subarray(start, start + object.chunkBytes), i));
    }
  };

  /** The plain bytes from `start` up to, not including, `end`. */
  const slice = async (start: number, end: number = byteLength): Promise<ArrayBuffer> => {
    const out = new Uint8Array(Math.max(0, Math.min(end, byteLength) - start));
    if (out.length === 0) return out.buffer;
    const first = Math.floor(start / plainChunk);
    const last = Math.floor((start + out.length - 1) / plainChunk);
    for (let i = first; i <= last; i++) {
      if (cache.has(i)) continue;
      let until = i;
      while (until < last && !cache.has(until + 1)) until++;
      await load(i, until);
    }
    for (let i = first; i <= last; i++) {
      const chunk = cache.get(i) as Uint8Array;
      const from = Math.max(start, i * plainChunk);
      const to = Math.min(start + out.length, i * plainChunk + chunk.length);
      out.set(chunk.subarray(from - i * plainChunk, to - i * plainChunk), from - start);
    }
    for (const i of cache.keys()) {
      if (cache.size <= CACHED_CHUNKS_MAX) break;
      cache.delete(i);
    }
    return out.buffer;
  };
  return { byteLength, slice };
}

const digestOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();

const placeOf = (key: string, i: number, count: number) => Buffer.from(`${key} ${i + 1}/${count}`);

function encrypt(plain: Uint8Array, secret: Uint8Array, place: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, secret, nonce).setAAD(place);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(stored: Uint8Array, secret: Uint8Array, place: Uint8Array): Uint8Array {
  const nonce = stored.subarray(0, NONCE_BYTES);
  const tag = stored.subarray(stored.length - TAG_BYTES);
  const text = stored.subarray(NONCE_BYTES, stored.length - TAG_BYTES);
  const decipher = createDecipheriv(ALGORITHM, secret, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(place).setAuthTag(tag);
  return Buffer.concat([decipher.update(text), decipher.final()]);
}
