import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const LAST_WORDS_MAX = 2_000;

/** A process that can be killed and started again. */
export class Victim {
  #script: string;
  #args: string[];
  #env: Record<string, string>;
  #child: ChildProcess | undefined;
  #ready: Promise<void> | undefined;
  #ending = false;
  /** Times it ended without having been killed, and its last words. */
  readonly crashes: string[] = [];

  constructor(script: string, args: string[], env: Record<string, string> = {}) {
    this.#script = path.resolve(ROOT, script);
    this.#args = args;
    this.#env = env;
  }

  /** Starts the process unless it runs. Resolves when it is ready or has ended on the way. */
  start(): Promise<void> {
    if (!this.#child) {
      const child = spawn(process.execPath, [...loader(this.#script), this.#script, ...this.#args], {
        cwd: ROOT,
        env: { ...process.env, ...this.#env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      this.#child = child;
      let lastWords = "";
      child.stderr.on(
        "data",
        (text: Buffer) => (lastWords = (lastWords + text.toString()).slice(-LAST_WORDS_MAX)),
      );
      child.once("exit", (code, signal) => {
        if (this.#child !== child || this.#ending) return;
        this.#child = undefined;
        this.crashes.push(`${path.basename(this.#script)} ended with ${code ?? signal}: ${lastWords}`);
      });
      this.#ready = Promise.race([once(child.stdout, "data"), once(child, "exit")]).then(() => {
        child.stdout.resume();
      });
    }
    return this.#ready ?? Promise.resolve();
  }

  /** kill -9. Returns false when there was nothing to kill. */
  async kill(): Promise<boolean> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null) return false;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
    return true;
  }

  async end(): Promise<void> {
    this.#ending = true;
    const child = this.#child;
    if (!child || child.exitCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    const force = setTimeout(() => child.kill("SIGKILL"), 8_000);
    await gone;
    clearTimeout(force);
  }
}

/** What is bundled starts several times as fast. */
const loader = (script: string) => (script.endsWith(".ts") ? ["--import", "tsx"] : []);
