import { progress } from "@clack/prompts";

export interface ProgressBar {
  advance(by: number): void;
  /** Ends with a line that says what came of it. */
  done(line: string): void;
}

/** A progress bar on a terminal; where nobody watches, a line at the start and one at the end. */
export function progressBar(label: string, max: number): ProgressBar {
  if (!process.stdout.isTTY) {
    console.log(label);
    return { advance: () => undefined, done: (line) => console.log(line) };
  }
  const bar = progress({ max });
  bar.start(label);
  return { advance: (by) => bar.advance(by), done: (line) => bar.stop(line) };
}
