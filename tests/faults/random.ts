/** Repeatable: a seed names a sequence of kills. */
export { randomFrom } from "../../bench/support/statistics.ts";

/** One of several; `random` gives 0 to 1. */
export function pick<T>(random: () => number, all: readonly T[]): T {
  return all[Math.floor(random() * all.length)] as T;
}
