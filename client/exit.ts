/** What has something to do before the process ends. */
export interface Ending {
  /** The last chance for what takes time. */
  flush(): Promise<unknown>;
  /** Gives up all that is unsent, at once. */
  abandon(code: "closed" | "exit"): void;
}

interface NodeProcess {
  on?(name: "beforeExit" | "exit", listener: () => void): void;
}

/** What is flushed when the process has nothing else to do, and ended when it exits (Node only); with whether it was flushed. */
export const endings = new Map<Ending, boolean>();
// Off Node there may be none, or one that tells nobody.
const { process } = globalThis as { process?: NodeProcess };

process?.on?.("beforeExit", () => {
  for (const [one, isFlushed] of endings) {
    // Node asks again after each wait; what one flush could not send, the next would wait for without end.
    if (isFlushed) continue;
    endings.set(one, true);
    void one.flush();
  }
});
process?.on?.("exit", () => {
  for (const one of endings.keys()) one.abandon("exit");
});
