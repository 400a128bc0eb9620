import type { Bounded } from "../db/queries/bounded.ts";

/** Of one answer, in bytes: a Vercel function's holds 4.5 MB. */
export const ANSWER_BYTES_MAX = 4_000_000;

/**
 * The rows of a page: `limit` at most, fewer where an answer has no room for their JSON texts, and one in any case. `last` is
 * where the next page begins, if there is one.
 */
export function pageOf<Row>(
  { rows, isCut }: Bounded<Row>,
  limit: number,
  toJson: (row: Row) => string,
): { shown: Row[]; last: Row | undefined } {
  let bytes = 0;
  const end = rows.findIndex((row, i) => {
    bytes += i < limit ? Buffer.byteLength(toJson(row)) + 1 : 0;
    return i === limit || (bytes > ANSWER_BYTES_MAX && i > 0);
  });
  const shown = end < 0 ? rows : rows.slice(0, end);
  return { shown, last: isCut || end >= 0 ? shown.at(-1) : undefined };
}
