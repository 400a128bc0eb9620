import { countOutcomes } from "../../db/queries/restore-items.ts";
import { lockRun, updateRun, type RunRow } from "../../db/queries/restore-runs.ts";
import { sqlNow } from "../../db/queries/rows.ts";
import { resolveAlert } from "../alerts/raise.ts";
import { inTransaction, type TransactionContext } from "../context.ts";
import { alarm } from "./alarm.ts";
import type { Applied } from "./apply.ts";
import type { RestoreContext } from "./context.ts";
import { logRun } from "./log-intent.ts";
import { noteStep, type RunRef } from "./note-step.ts";
import { settleOriginal } from "./settle-original.ts";
import type { Verification } from "./verify.ts";

/** SQLSTATE of apply_restore_chunk() where the application's triggers or policies left rows out. */
const SUPPRESSED = "AF001";

/** Why applying ended before its last chunk. */
type Stop = Exclude<Applied, { state: "done" } | { state: "superseded" }>;

export interface Course {
  stop: Stop | null;
  /** Null when nothing was applied. */
  verification: Verification | null;
  /** Cache keys flushed and jobs enqueued, or why not. */
  effects: Partial<Record<string, { count: number; skipped?: string; remains: boolean }>>;
}

/** The last step: what became of the restore, its report, its event and, if somebody has to look at it, an alert. */
export async function completeRestore(ctx: RestoreContext, ref: RunRef, course: Course) {
  return noteStep(ctx, ref, "complete", async (run) => {
    const counts = await countOutcomes(ctx.db, run.id);
    const { status, error } = endOf(run.id, course, counts.applied);
    const report = {
      ...counts,
      status,
      error,
      effects: course.effects,
      verification: course.verification,
      stop: course.stop,
    };
    await inTransaction(ctx, async (inner) => {
      const now = await lockRun(inner.db, run.id);
      if (now?.status !== "running" || now.epoch !== ref.epoch) return;
      await updateRun(inner.db, run.id, ["running"], { status, error, report, endedAt: sqlNow });
      await settleOriginal(inner.db, run, { status, applied: counts.applied });
      await logRun(inner, run, `RESTORE_${status.toUpperCase()}`, `outcome:${run.epoch}`, {
        applied: counts.applied,
        skipped: counts.skipped,
        pre_restore_snapshot_id: run.snapshotId,
        verified: course.verification?.ok ?? null,
        error,
      });
      await resolveAlert(inner, "restore.silent", run.id);
      if (status === "completed") await resolvePast(inner, run);
      else if (error !== null && status !== "cancelled") {
        const code = status === "failed" ? "restore.failed" : "restore.needs-attention";
        await alarm(inner, code, run, { status, error });
      }
    });
    return { status };
  });
}

type End = { status: "completed" | "needs_attention" | "failed" | "cancelled"; error: string | null };

function endOf(id: string, course: Course, applied: number): End {
  const { stop } = course;
  const faults = faultsOf(course);
  const rollback = `POST /api/restores/${id}/rollback puts everything back as it was.`;
  if (stop !== null && applied === 0) {
    const status = stop.state === "cancelled" ? "cancelled" : "failed";
    return { status, error: `${whyStopped(stop)} Nothing was changed.` };
  }
  if (stop !== null) {
    const so = faults.length > 0 ? `, and ${faults.join("; ")}` : "";
    return {
      status: stop.state === "cancelled" && faults.length === 0 ? "cancelled" : "needs_attention",
      error: `${whyStopped(stop)} ${applied} rows were restored before that${so}. ${rollback}`,
    };
  }
  if (faults.length > 0) {
    return { status: "needs_attention", error: `${faults.join("; ")}. Look at report; ${rollback}` };
  }
  return { status: "completed", error: null };
}

function whyStopped(stop: Stop): string {
  switch (stop.state) {
    case "conflict":
      return `${stop.rows === 1 ? "1 row is" : `${stop.rows} rows are`} no longer as planned.`;
    case "held":
      return `A legal hold that was placed since the plan keeps ${stop.rows === 1 ? "1 row" : `${stop.rows} rows`} from being deleted. Release it, then resume this restore.`;
    case "cancelled":
      return "It was cancelled.";
    case "refused":
      if (stop.sqlstate === SUPPRESSED) {
        return "A trigger or a policy of the application suppressed rows, so not all could be written.";
      }
      return `The database refused a row${stop.table ? ` of ${stop.table}` : ""}${stop.constraint ? ` by ${stop.constraint}` : ""} (${stop.sqlstate}).`;
  }
}

function faultsOf({ verification, effects }: Course): string[] {
  const remains = Object.entries(effects).filter(([, effect]) => effect?.remains);
  if (verification === null) return [];
  const { differences, cache, checks } = verification;
  return [
    differences.wrong ? `${differences.wrong} rows are not what they were to be` : "",
    differences.unrecorded ? `${differences.unrecorded} restored rows are missing in the history` : "",
    cache.staleCount > 0 ? `${cache.staleCount} cache keys still hold what they held before` : "",
    checks.some(({ error }) => error !== undefined) ? "an address that is checked did not answer well" : "",
    ...remains.map(([name]) => `${name} did not come to its end`),
  ].filter((fault) => fault !== "");
}

/** What is done closes what was told of it before, and a rollback what was told of the restore that it takes back. */
async function resolvePast(ctx: TransactionContext, run: RunRow): Promise<void> {
  for (const subject of [run.id, run.rollbackOf ?? run.id]) {
    await resolveAlert(ctx, "restore.failed", subject);
    await resolveAlert(ctx, "restore.needs-attention", subject);
  }
}
