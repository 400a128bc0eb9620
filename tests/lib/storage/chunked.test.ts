import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { parseArchiveKeys } from "../../../lib/storage/archive-keys.ts";
import { CHUNK_BYTES, openChunked, toChunks, type ChunkedObject } from "../../../lib/storage/chunked.ts";
import type { Storage } from "../../../lib/storage/storage.ts";

const keys = parseArchiveKeys(`${randomBytes(32).toString("base64")} ${randomBytes(32).toString("base64")}`);
const plain = randomBytes(3 * CHUNK_BYTES + 1_000);

/** One object in memory, and the ranges that were asked of it. */
function holding(body: Uint8Array) {
  const ranges: [number, number][] = [];
  const storage = {
    get: async (_key: string, range: { start: number; end: number }) => {
      ranges.push([range.start, range.end]);
      return body.subarray(range.start, range.end);
    },
  } as unknown as Storage;
  return { storage, ranges };
}

const read = async (storage: Storage, object: ChunkedObject, from: number, to?: number) =>
  Buffer.from(await openChunked(storage, object, keys).slice(from, to));

describe.each([
  ["plain", null],
  ["encrypted", keys[0] ?? null],
  ["encrypted with an older key", keys[1] ?? null],
])("an object that is %s", (_, key) => {
  const { object, body } = toChunks("a/b", plain, key);
  const overhead = key ? 28 : 0;

  test("gives back every range as it was", async () => {
    const { storage } = holding(body);
    const opened = openChunked(storage, object, keys);
    expect(opened.byteLength).toBe(plain.length);
    for (const [from, to] of [
      [0, plain.length],
      [0, 1],
      [CHUNK_BYTES - 1, CHUNK_BYTES + 1],
      [CHUNK_BYTES, 2 * CHUNK_BYTES],
      [plain.length - 1, plain.length],
      [5, 5],
    ] as const) {
      expect(Buffer.compare(Buffer.from(await opened.slice(from, to)), plain.subarray(from, to))).toBe(0);
    }
  });

  test("reads only the chunks of a range, neighbours together, and each once", async () => {
    const { storage, ranges } = holding(body);
    const opened = openChunked(storage, object, keys);
    const stored = CHUNK_BYTES + overhead;
    await opened.slice(CHUNK_BYTES + 5, 2 * CHUNK_BYTES + 5);
    await opened.slice(CHUNK_BYTES + 50, 2 * CHUNK_BYTES + 50);
    expect(ranges).toEqual([[stored, 3 * stored]]);
  });

  test.each(Array.from({ length: 4 }, (_chunk, i) => i))(
    "does not pass a changed bit in chunk %i",
    async (i) => {
      const changed = Uint8Array.from(body);
      const place = i * (CHUNK_BYTES + overhead) + 100;
      changed[place] = (changed[place] as number) ^ 4;
      const { storage } = holding(changed);
      await expect(read(storage, object, i * CHUNK_BYTES, i * CHUNK_BYTES + 1)).rejects.toMatchObject({
        fault: "damaged",
      });
    },
  );
});

test("an encrypted chunk cannot be moved, even by somebody who can write its digests", async () => {
  const { object, body } = toChunks("a/b", plain, keys[0] ?? null);
  const stored = CHUNK_BYTES + 28;
  const swapped = Buffer.concat([
    body.subarray(stored, 2 * stored),
    body.subarray(0, stored),
    body.subarray(2 * stored),
  ]);
  const digests = Buffer.from(object.chunkDigests);
  const moved = Buffer.concat([digests.subarray(32, 64), digests.subarray(0, 32), digests.subarray(64)]);
  const { storage } = holding(swapped);
  await expect(read(storage, { ...object, chunkDigests: moved }, 0, 1)).rejects.toMatchObject({
    fault: "damaged",
  });
  const elsewhere = { ...object, key: "a/c" };
  await expect(read(holding(body).storage, elsewhere, 0, 1)).rejects.toMatchObject({ fault: "damaged" });
});

test("an object whose key is not set is not opened", () => {
  const { object } = toChunks("a/b", plain, parseArchiveKeys(randomBytes(32).toString("base64"))[0] ?? null);
  expect(() => openChunked(holding(plain).storage, object, keys)).toThrow(/key that is not set/);
});

test("a key of another length is refused without being quoted", () => {
  const short = randomBytes(16).toString("base64");
  expect(() => parseArchiveKeys(short)).toThrow(/^holds keys of 32 bytes/);
  expect(() => parseArchiveKeys(short)).not.toThrow(short);
});
