import fs from "node:fs";
import path from "node:path";
import { readDevFile } from "./dev-file.ts";
import { commandOf, isAlive } from "./processes.ts";

const FILE = "start.lock";
const ATTEMPTS_MAX = 5;

interface Holder {
  pid: number;
  command: string;
}

/**
 * Makes this process the only stack on a folder until the returned function is called. A lock whose process is gone is
 * taken over. Throws while another stack runs there.
 */
export function lockFolder(dataDir: string): () => void {
  const file = path.join(dataDir, FILE);
  const draft = `${file}.${process.pid}`;
  const self: Holder = { pid: process.pid, command: commandOf(process.pid) };
  fs.writeFileSync(draft, JSON.stringify(self), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      try {
        // A link is made or not made, and the file behind it is whole.
        fs.linkSync(draft, file);
        return () => fs.rmSync(file, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const holder = readHolder(file);
      if (holder && isAlive(holder.pid) && commandOf(holder.pid) === holder.command)
        throw inUse(dataDir, holder.pid);
      setAside(file);
    }
    throw new Error(`Several starts want ${dataDir} at the same time; try again.`);
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

function readHolder(file: string): Holder | null {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8")) as Holder;
  } catch {
    return null;
  }
}

/** Of two that find the same dead lock only one can rename it. */
function setAside(file: string): void {
  const aside = `${file}.${process.pid}.dead`;
  try {
    fs.renameSync(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  fs.rmSync(aside, { force: true });
}

function inUse(dataDir: string, pid: number): Error {
  const where = readDevFile(dataDir)?.url ?? "still starting";
  return new Error(
    `Afterimage runs already on this folder (process ${pid}, ${where}). Stop it, or give --data another folder.`,
  );
}
