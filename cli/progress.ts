import { progress } from "@clack/prompts";

const INTERRUPTED = 130;

export interface ProgressBar {
  /** `label` replaces what the bar says. */
  advance(by: number, label?: string): void;
  /** Ends with a line that says what came of it. */
  done(line: string): void;
}

let current: ReturnType<typeof progress> | undefined;

/** A progress bar on a terminal; where nobody watches, a line at the start and one at the end. */
export function progressBar(label: string, max: number): ProgressBar {
  if (!process.stdout.isTTY) {
    console.log(label);
    return { advance: () => undefined, done: (line) => console.log(line) };
  }
  const bar = progress({ max });
  // It takes Ctrl-C for a success.
  const interrupted = () => {
    process.exitCode ||= INTERRUPTED;
  };
  process.once("exit", interrupted);
  current = bar;
  bar.start(label);
  return {
    advance: (by, text) => bar.advance(by, text),
    done: (line) => {
      process.off("exit", interrupted);
      current = undefined;
      bar.stop(line);
    },
  };
}

/** Ends the bar of what has failed: it would keep the process alive. */
export function breakOffProgress(): void {
  current?.error("Broken off.");
  current = undefined;
}
