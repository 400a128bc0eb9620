import { appliedRows, type AppliedRow } from "../../../db/queries/restore-applied-rows.ts";
import type { RestoreContext } from "../context.ts";

export type { AppliedRow, RowImage } from "../../../db/queries/restore-applied-rows.ts";

/** Rows that are held in memory at once. */
const PAGE_ROWS_MAX = 2_000;
/** Pages that one call looks at: a step's work stays bounded where nothing is to be done with them. */
const PAGES_MAX = 10;
/** Milliseconds after which a call ends, unless its caller says when. */
const CALL_MS = 20_000;

/** The side effects of a run. */
export interface EffectsOf {
  runId: string;
  /** 0 at first; one more for each time that they are asked for again. */
  repeat: number;
}

/** One call of several that together go over all rows of a run. */
export interface PageOptions extends EffectsOf {
  /** 0 at first, then what the last call answered as `next`. */
  after: number;
  /** When to come to an end, in milliseconds since 1970; 20 s from now unless said. One bit of work is done all the same. */
  deadline?: number;
}

interface PageResult {
  count: number;
  /** Where to go on, which may be 0; null when all is done. */
  next: number | null;
}

export const isPast = (deadline: number): boolean => Date.now() >= deadline;

export const callDeadline = (deadline: number = Date.now() + CALL_MS): number => deadline;

/**
 * Works through the applied rows of some tables, page by page, until the deadline. `work` answers how much it did, and
 * whether it came to its end; where it did not, the next call begins with the same page.
 */
export async function forEachPage(
  ctx: RestoreContext,
  { runId, after, deadline }: PageOptions & { deadline: number },
  columns: Record<string, readonly string[]>,
  work: (rows: AppliedRow[]) => Promise<Work>,
): Promise<PageResult> {
  let next = after;
  let count = 0;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const rows = await appliedRows(ctx.db, { runId, after: next, limit: PAGE_ROWS_MAX, columns });
    const last = rows.at(-1);
    if (!last) return { count, next: null };
    const done = await work(rows);
    count += done.count;
    if (!done.isWhole) break;
    if (rows.length < PAGE_ROWS_MAX) return { count, next: null };
    next = last.position;
    if (isPast(deadline)) break;
  }
  return { count, next };
}

/** How much was done, and whether that is all. */
export interface Work {
  count: number;
  isWhole: boolean;
}

export function* chunks<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size);
}
