import path from "node:path";
import { startChild, type Child } from "./children.ts";
import { removeDevFile, writeDevFile, type DevFile } from "./dev-file.ts";

interface PartsOptions {
  dataDir: string;
  say: (line: string) => void;
}

/** The running parts: stopped in the opposite order, their process ids kept in dev.json. */
export class Parts {
  readonly #options: PartsOptions;
  readonly #unlock: () => void;
  readonly #running: { stop(): Promise<void> }[] = [];
  readonly #pids: Record<string, number> = { start: process.pid };
  #written: DevFile | undefined;

  constructor(options: PartsOptions, unlock: () => void) {
    this.#options = options;
    this.#unlock = unlock;
  }

  async start(name: string, file: string, args: string[], env: Record<string, string> = {}): Promise<Child> {
    const { dataDir, say } = this.#options;
    const logFile = path.join(dataDir, `${name}.log`);
    const child = await startChild({ name, file, args, env, logFile, say, onStart: this.notePid(name) });
    this.#running.push(child);
    return child;
  }

  async add<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> {
    const part = await starting;
    this.#running.push(part);
    return part;
  }

  notePid(name: string): (pid: number) => void {
    return (pid) => {
      this.#pids[name] = pid;
      if (this.#written) this.writeDevFile(this.#written);
    };
  }

  writeDevFile(dev: Omit<DevFile, "pids">): DevFile {
    this.#written = { ...dev, pids: this.#pids };
    writeDevFile(this.#options.dataDir, this.#written);
    return this.#written;
  }

  async stop(): Promise<void> {
    for (const part of this.#running.toReversed()) await part.stop();
    removeDevFile(this.#options.dataDir);
    this.#unlock();
  }
}
