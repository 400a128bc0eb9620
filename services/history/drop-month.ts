import { dropHistoryMonth as queryDrop, type MonthDrop } from "../../db/queries/history-floor.ts";
import { LOCK_NOT_AVAILABLE } from "../../lib/sqlstate.ts";
import { raiseAlert, resolveAlert } from "../alerts/raise.ts";
import type { WorkerContext } from "../context.ts";
import { hasSqlstate } from "../postgres-errors.ts";

const MONTHS_KEPT = 12;
const DROPPED_BY = "afterimage:history-cleanup";
const SUBJECT = "row history";

/**
 * Drops the oldest month of the row history whose entries are all a year old, with its summary in the deletion log and the
 * new floor of the history, in one transaction. `busy`: somebody uses the table, and nothing was changed.
 */
export async function dropHistoryMonth(ctx: WorkerContext): Promise<MonthDrop | { outcome: "busy" }> {
  try {
    return await queryDrop(ctx.db, DROPPED_BY, MONTHS_KEPT);
  } catch (error) {
    if (hasSqlstate(error, LOCK_NOT_AVAILABLE)) return { outcome: "busy" };
    throw error;
  }
}

/** Raises an alert while a month stays that is past its time and that no hold keeps, and closes it when none does. */
export async function reportHistoryCleanup(ctx: WorkerContext, isBusy: boolean): Promise<void> {
  if (!isBusy) return resolveAlert(ctx, "history.overdue", SUBJECT);
  await raiseAlert(ctx, {
    code: "history.overdue",
    subject: SUBJECT,
    severity: "warning",
    message:
      "A month of the row history is past its time and could not be dropped, because audit_logs was in use each time for a second. Find what holds it open (pg_stat_activity, long transactions on tracked tables), then POST /api/jobs/history-cleanup/run.",
  });
}
