import type { TrackedTable } from "../../db/queries/history.ts";
import type { HistoryFloor } from "../../db/queries/history-floor.ts";
import { ServiceError } from "../errors.ts";

/**
 * Throws `conflict` (409) for a time of which the row history is no longer kept; nothing is gone of a table whose tracking
 * began later.
 */
export function requireKept(floor: HistoryFloor | null, at: Date, table: string, trackedAt?: Date): void {
  if (!floor || at >= floor.beginsAt || (trackedAt && trackedAt >= floor.beginsAt)) return;
  throw new ServiceError(
    "conflict",
    `The row history of ${table} is kept since ${floor.beginsAt.toISOString()}, and this asks for ${at.toISOString()}. Ask for a later time, or take what is older from a backup; audit_deletion_log (history_month) says what was dropped and when.`,
  );
}

/** Throws `conflict` (409) for a transaction of which a part is gone: undone, it would be undone by half. */
export function requireWhole(floor: HistoryFloor | null, transactionId: string): void {
  if (!floor?.splitTransactions.includes(transactionId)) return;
  throw new ServiceError(
    "conflict",
    `A part of this transaction lies before ${floor.beginsAt.toISOString()}, since when the row history is kept, so it cannot be undone whole. Restore its records one by one, or tables as of a later time.`,
  );
}

/** Of a record without an entry, where entries were dropped: it may be older than what is kept. */
export function nothingSince(floor: HistoryFloor | null, table: TrackedTable): ServiceError | null {
  if (!floor || table.trackedAt >= floor.beginsAt) return null;
  const since = floor.beginsAt.toISOString();
  const message = `The row history, kept since ${since}, has no change of such a record. If the row is there now, it has been as it is since then.`;
  return new ServiceError("not_found", message, {
    errors: [{ path: "path.recordId", code: "not_found", message }],
  });
}

/** Since when the history of a table is kept, ISO 8601. */
export function beginOf(floor: HistoryFloor | null, { trackedAt }: TrackedTable): string {
  const isLater = floor !== null && floor.beginsAt > trackedAt;
  return (isLater ? floor.beginsAt : trackedAt).toISOString();
}
