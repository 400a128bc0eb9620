import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

/** The folder of Postgres' own client or, where that is not installed, of a stand-in that is put into `folder`. */
export async function psqlFolder(folder: string): Promise<string> {
  const found = await promisify(execFile)("bash", ["-c", "command -v psql"]).catch(() => null);
  if (found) return path.dirname(found.stdout.trim());
  fs.symlinkSync(path.join(import.meta.dirname, "psql-stand-in.js"), path.join(folder, "psql"));
  return folder;
}
