import { spawn, type ChildProcess } from "node:child_process";
import path from "node:path";
import readline from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { AuditClient, Difference, DroppedWrite } from "../../client/index.ts";
import { bundleScripts } from "../faults/stage-parts.ts";

/** What the balancer has handed on arrives. */
const DRAIN_MS = 200;

/** What an instance says of itself at its end. */
export interface Report {
  dropped: DroppedWrite[];
  differences: Difference[];
  stats: ReturnType<AuditClient["stats"]>;
}

export interface Instance {
  url: string;
  backend: string;
  /** Has it write its memory into a file, while it goes on. */
  copy(): Promise<void>;
  end(): Promise<Report>;
}

/** Instances of the chat application behind a balancer: each request goes to one that is not about to end. */
export class Fleet {
  readonly #folder: string;
  readonly #env: Record<string, string>;
  readonly #processes: ChildProcess[] = [];
  #serving: Instance[] = [];
  #started = 0;
  #next = 0;

  constructor(folder: string, env: Record<string, string>) {
    this.#folder = folder;
    this.#env = env;
  }

  static bundle = (folder: string) => bundleScripts(folder, { chat: "tests/client/chat-instance.ts" });

  get serving(): readonly Instance[] {
    return this.#serving;
  }

  balance(): Instance {
    return this.#serving[this.#next++ % this.#serving.length] as Instance;
  }

  /** A deployment without a gap: a new instance serves before an old one is told to end, one after the other. */
  async deploy(backend: string, count: number): Promise<Report[]> {
    const old = this.#serving;
    const reports: Report[] = [];
    for (let n = 0; n < count; n++) {
      const leaving = old[n];
      const fresh = await this.#start(backend);
      this.#serving = [...this.#serving.filter((one) => one !== leaving), fresh];
      if (!leaving) continue;
      await sleep(DRAIN_MS);
      reports.push(await leaving.end());
    }
    return reports;
  }

  /** Kills what is left. */
  close(): void {
    for (const one of this.#processes) one.kill("SIGKILL");
  }

  async #start(backend: string): Promise<Instance> {
    const env = {
      ...process.env,
      ...this.#env,
      AUDIT_TRAIL_BACKEND: backend,
      INSTANCE: String(++this.#started),
    };
    const child = spawn(process.execPath, [path.join(this.#folder, "chat.mjs")], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#processes.push(child);
    const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const line = async () => {
      const { value } = await lines.next();
      if (value === undefined) throw new Error("An instance ended by itself.");
      return value as string;
    };
    const signal = async (name: NodeJS.Signals) => {
      child.kill(name);
      return line();
    };
    return {
      url: await line(),
      backend,
      copy: async () => void (await signal("SIGUSR2")),
      end: async () => JSON.parse(await signal("SIGTERM")) as Report,
    };
  }
}
