import fs from "node:fs/promises";
import path from "node:path";
import { folderStorage } from "../../lib/storage/folder.ts";
import { StorageError, type Storage } from "../../lib/storage/storage.ts";
import type { StorageMode } from "./life-pauses.ts";

/** Waits where the run is to be held, and answers what is wrong with the storage from then on. */
export type Reach = (point: string) => Promise<StorageMode | null>;

const NAME = /^[^/]+\/events\/(\d{4})\/(\d\d)\/(part-\d+|manifest-[\d-]+)/;

/**
 * A folder of cold files with points before, in the middle of and after each write, and before each read and removal: `put
 * 2025-01 part-0001`, `half put …`, `after put …`, `get …`, `delete …`. In the middle, half of the file stands under its own
 * name, which is worse than what a folder or a bucket leaves.
 */
export function pausingStorage(folder: string, reach: Reach): Storage {
  const inner = folderStorage(folder);
  const at = async (act: string, key: string) => {
    const [, year, month, file] = NAME.exec(key) ?? [];
    const mode = await reach(`${act} ${year}-${month} ${file}`);
    if (mode === "away") throw new StorageError("away", key);
    return key.includes("/part-") ? mode : null;
  };
  return {
    put: async (key, body) => {
      const mode = await at("put", key);
      await fs.mkdir(path.dirname(path.join(folder, key)), { recursive: true });
      await fs.writeFile(path.join(folder, key), body.subarray(0, body.length / 2));
      await at("half put", key);
      if (mode === "lose") await inner.delete(key);
      else await inner.put(key, damaged(mode, body, 1));
      await at("after put", key);
    },
    get: async (key, range) => {
      const mode = await at("get", key);
      return damaged(mode, await inner.get(key, range), 2);
    },
    head: (key) => inner.head(key),
    delete: async (key) => {
      await at("delete", key);
      await inner.delete(key);
    },
  };
}

/** `bit`: another one for writing than for reading, or the one would take the other back. */
function damaged(mode: StorageMode | null, bytes: Uint8Array, bit: 1 | 2): Uint8Array {
  if (mode === null || mode === "away") return bytes;
  if (mode !== "flip") return bytes.subarray(0, bytes.length / 2);
  const copy = Uint8Array.from(bytes);
  const middle = Math.floor(copy.length / 2);
  copy[middle] = (copy[middle] as number) ^ bit;
  return copy;
}
