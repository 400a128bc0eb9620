import { countOutcomes } from "../../db/queries/restore-items.ts";
import { updateRun, type RunRow } from "../../db/queries/restore-runs.ts";
import { sqlNow } from "../../db/queries/rows.ts";
import { raiseAlert, resolveAlert } from "../alerts/raise.ts";
import { inTransaction, type TransactionContext } from "../context.ts";
import type { Applied } from "./apply.ts";
import type { RestoreContext } from "./context.ts";
import { logRun } from "./log-intent.ts";
import { noteStep, type RunRef } from "./note-step.ts";
import type { Verification } from "./verify.ts";

/** Why applying ended before its last chunk. */
export type Stop = Exclude<Applied, { state: "done" } | { state: "superseded" }>;

export interface Course {
  stop: Stop | null;
  /** Null when nothing was applied. */
  verification: Verification | null;
  /** Cache keys flushed and jobs enqueued, or why not. */
  effects: Record<string, unknown>;
}

/** The last step: what became of the restore, its report, its event and, if somebody has to look at it, an alert. */
export async function completeRestore(ctx: RestoreContext, ref: RunRef, course: Course) {
  return noteStep(ctx, ref, "complete", async (run) => {
    const counts = await countOutcomes(ctx.db, run.id);
    const { status, error } = endOf(course, counts.applied);
    const report = {
      ...counts,
      effects: course.effects,
      verification: course.verification,
      stop: course.stop,
    };
    await inTransaction(ctx, async (inner) => {
      await updateRun(inner.db, run.id, ["running"], { status, error, report, endedAt: sqlNow });
      await settleOriginal(inner, run, status);
      await logRun(inner, run, `RESTORE_${status.toUpperCase()}`, `outcome:${run.epoch}`, {
        applied: counts.applied,
        skipped: counts.skipped,
        pre_restore_snapshot_id: run.snapshotId,
        verified: course.verification?.ok ?? null,
        error,
      });
      await resolveAlert(inner, "restore.silent", run.id);
      if (error !== null && course.stop?.state !== "cancelled") await alarm(inner, run, status, error);
    });
    return { status };
  });
}

type End = { status: "completed" | "needs_attention" | "failed" | "cancelled"; error: string | null };

function endOf({ stop, verification }: Course, applied: number): End {
  if (stop !== null) {
    const error = `${whyStopped(stop)} ${applied === 0 ? "Nothing was changed." : `${applied} rows were restored before that; POST /api/restores/<id>/rollback takes them back.`}`;
    if (stop.state === "cancelled") return { status: "cancelled", error };
    return { status: applied === 0 ? "failed" : "needs_attention", error };
  }
  if (verification !== null && !verification.ok) {
    return {
      status: "needs_attention",
      error: `${whatIsWrong(verification)} Look at report.verification; POST /api/restores/<id>/rollback puts everything back as it was.`,
    };
  }
  return { status: "completed", error: null };
}

function whyStopped(stop: Stop): string {
  switch (stop.state) {
    case "conflict":
      return `${stop.rows} rows are no longer as they were planned.`;
    case "cancelled":
      return "It was cancelled.";
    default:
      return `The database refused a row${stop.table ? ` of ${stop.table}` : ""}${stop.constraint ? ` by ${stop.constraint}` : ""} (${stop.sqlstate}).`;
  }
}

function whatIsWrong({ differences, cache, checks }: Verification): string {
  const faults = [
    differences.wrong ? `${differences.wrong} rows are not what they were to be` : "",
    differences.unrecorded ? `${differences.unrecorded} restored rows are missing in the history` : "",
    cache.staleCount > 0 ? `${cache.staleCount} cache keys still hold what they held before` : "",
    checks.some(({ error }) => error !== undefined) ? "an address that is checked did not answer well" : "",
  ].filter((fault) => fault !== "");
  return `${faults.join("; ")}.`;
}

/** The restore that a rollback is of shows how that went. */
async function settleOriginal(ctx: TransactionContext, run: RunRow, status: End["status"]): Promise<void> {
  if (run.rollbackOf === null) return;
  const original = status === "completed" ? "rolled_back" : "needs_attention";
  await updateRun(ctx.db, run.rollbackOf, ["rolling_back"], { status: original });
}

async function alarm(ctx: TransactionContext, run: RunRow, status: string, error: string): Promise<void> {
  await raiseAlert(ctx, {
    code: status === "needs_attention" ? "restore.needs-attention" : "restore.failed",
    subject: run.id,
    severity: "critical",
    message: error.replace("<id>", run.id),
    details: { restoreId: run.id, incident: run.incident, status },
  });
}
