import { randomBytes } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { checkKey, exactly, StorageError, type ByteRange, type Storage } from "./storage.ts";

/** Names that no key can have, so that a half-written file is never read. */
const TEMPORARY_PREFIX = ".part-";

/** Objects as files below a folder, which has to be there: made here, it would hide that its volume is not mounted. */
export function folderStorage(root: string): Storage {
  const fileOf = (key: string) => path.join(root, checkKey(key));
  return {
    put: async (key, body) => {
      const file = fileOf(key);
      const folder = path.dirname(file);
      const temporary = path.join(folder, TEMPORARY_PREFIX + randomBytes(8).toString("hex"));
      try {
        await makeFolders(root, path.dirname(key));
        await writeDurably(temporary, body);
        await fs.rename(temporary, file);
        await syncFolder(folder);
      } catch (error) {
        await fs.rm(temporary, { force: true }).catch(() => undefined);
        throw new StorageError("away", key, error);
      }
    },
    get: async (key, range) => exactly(await readRange(fileOf(key), key, range), key, range),
    head: async (key) => {
      const found = await fs.stat(fileOf(key)).catch((error: unknown) => ignoreMissing(error, key));
      return found ? { bytes: found.size } : null;
    },
    delete: async (key) => {
      await fs.rm(fileOf(key), { force: true }).catch((error: unknown) => ignoreMissing(error, key));
    },
  };
}

/** Makes the folders below the root that are missing; each lasts once the one above it is on disk. */
async function makeFolders(root: string, below: string): Promise<void> {
  let folder = root;
  for (const name of below.split("/").filter((one) => one !== ".")) {
    const above = folder;
    folder = path.join(above, name);
    const isNew = await fs.mkdir(folder).then(
      () => true,
      (error: unknown) => {
        if ((error as { code?: string }).code === "EEXIST") return false;
        throw error;
      },
    );
    if (isNew) await syncFolder(above);
  }
}

async function writeDurably(file: string, body: Uint8Array): Promise<void> {
  const handle = await fs.open(file, "wx");
  try {
    await handle.writeFile(body);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The new name itself lasts only once its folder is on disk. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await fs.open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readRange(file: string, key: string, range: ByteRange | undefined): Promise<Uint8Array> {
  const handle = await fs.open(file, "r").catch((error: unknown) => {
    throw new StorageError(isMissing(error) ? "missing" : "away", key, error);
  });
  try {
    if (range === undefined) return await handle.readFile();
    const body = Buffer.alloc(range.end - range.start);
    let filled = 0;
    while (filled < body.length) {
      const { bytesRead } = await handle.read(body, filled, body.length - filled, range.start + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return body.subarray(0, filled);
  } catch (error) {
    throw new StorageError("away", key, error);
  } finally {
    await handle.close();
  }
}

const isMissing = (error: unknown) => {
  const code = (error as { code?: string } | null)?.code;
  return code === "ENOENT" || code === "ENOTDIR";
};

function ignoreMissing(error: unknown, key: string): undefined {
  if (!isMissing(error)) throw new StorageError("away", key, error);
}
