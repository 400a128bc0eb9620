import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const MEMORY = "/dev/shm";
const FREE_BYTES_MIN = 6 * 1024 ** 3;

/**
 * A new folder for a database that is thrown away: in memory where there is room, because a file system on a disk
 * spends more processor time on the thousands of files that come and go than Postgres does.
 */
export function databaseFolder(prefix: string): string {
  return fs.mkdtempSync(path.join(hasRoom() ? MEMORY : os.tmpdir(), prefix));
}

function hasRoom(): boolean {
  try {
    fs.accessSync(MEMORY, fs.constants.W_OK);
    const { bavail, bsize } = fs.statfsSync(MEMORY);
    return bavail * bsize > FREE_BYTES_MIN;
  } catch {
    return false;
  }
}
