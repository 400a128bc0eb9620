/** What has something to do before the process ends. */
interface Ending {
  /** The last chance for what takes time. */
  flush(): Promise<unknown>;
  /** No time is left. */
  abandon(code: "exit"): void;
}

interface NodeProcess {
  on?(name: "beforeExit" | "exit", listener: () => void): void;
}

const endings = new Set<Ending>();
const flushed = new WeakSet<Ending>();
let isListening = false;

/** Has a queue flushed when the process has nothing else to do, and ended when it exits; without effect off Node. */
export function atExit(ending: Ending): void {
  endings.add(ending);
  const { process } = globalThis as { process?: NodeProcess };
  if (isListening || typeof process?.on !== "function") return;
  isListening = true;
  process.on("beforeExit", () => {
    for (const one of endings) {
      // Node asks again after each wait; what one flush could not send, the next would wait for without end.
      if (!flushed.has(one)) void one.flush();
      flushed.add(one);
    }
  });
  process.on("exit", () => {
    for (const one of endings) one.abandon("exit");
  });
}

export function notAtExit(ending: Ending): void {
  endings.delete(ending);
}
