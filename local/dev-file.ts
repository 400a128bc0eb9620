import fs from "node:fs";
import path from "node:path";

const FILE = "dev.json";

/** What .afterimage/dev.json holds: how to reach each part. */
export interface DevFile {
  url: string;
  apiKey: string;
  databaseUrl: string;
  workerDatabaseUrl: string;
  ownerDatabaseUrl: string | null;
  superuserDatabaseUrl: string | null;
  redisUrl: string | null;
  redisToken: string | null;
  inngestUrl: string | null;
  /** The mail catcher, and the folder where mail lands; null when it goes to a server of your own. */
  smtpUrl: string | null;
  mailDir: string | null;
  pids: Record<string, number>;
}

export const devFilePath = (dataDir: string) => path.join(dataDir, FILE);

/** The file of a stack that runs on this folder, or was killed there; null when there is none that can be read. */
export function readDevFile(dataDir: string): DevFile | null {
  try {
    return JSON.parse(fs.readFileSync(devFilePath(dataDir), "utf8")) as DevFile;
  } catch {
    return null;
  }
}

/** Writes it whole or not at all, for its owner only. */
export function writeDevFile(dataDir: string, dev: DevFile): void {
  writeWhole(devFilePath(dataDir), `${JSON.stringify(dev, null, 2)}\n`);
}

export function removeDevFile(dataDir: string): void {
  fs.rmSync(devFilePath(dataDir), { force: true });
}

/** A file that is there whole or not at all, whatever is killed when (mode 0600). */
export function writeWhole(file: string, text: string | Uint8Array): void {
  const draft = `${file}.${process.pid}`;
  fs.writeFileSync(draft, text, { mode: 0o600 });
  fs.renameSync(draft, file);
}
