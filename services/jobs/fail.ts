import { endRun } from "../../db/queries/jobs.ts";
import { notePickedUp } from "../../db/queries/requests.ts";
import { schedules } from "../../lib/schedules.ts";
import { raiseAlert } from "../alerts/raise.ts";
import { inTransaction, type WorkerContext } from "../context.ts";
import { failRestore } from "../restore/fail.ts";

const APP_PREFIX = /^afterimage-/;
const ERROR_LENGTH_MAX = 500;

interface WorkflowFailure {
  /** `<app>-<function>`, as the engine names it. */
  functionId: string;
  engineRunId: string;
  /** The run that somebody asked for, if one did: it may have failed before it was begun. */
  requestedRunId: string | null;
  error: string;
  /** The restore that it worked on, if it did. */
  restore: { restoreId: string; epoch: number; requestId: string | null } | null;
}

/** Notes that a workflow has used up its retries, and raises an alert that its next success resolves. */
export async function recordFailure(
  ctx: WorkerContext,
  failure: WorkflowFailure,
): Promise<{ subject: string }> {
  const { engineRunId, requestedRunId } = failure;
  const subject = failure.functionId.replace(APP_PREFIX, "");
  // A restore has an end and an alert of its own.
  if (failure.restore !== null) {
    await failRestore(ctx, failure.restore);
    return { subject };
  }
  const error = failure.error.slice(0, ERROR_LENGTH_MAX);
  await inTransaction(ctx, async (inner) => {
    const end = { status: "failed", error } as const;
    const ended = await endRun(inner.db, { engineRunId }, end);
    if (requestedRunId !== null) {
      if (!ended) await endRun(inner.db, { id: requestedRunId, notBegun: true }, end);
      await notePickedUp(inner.db, requestedRunId);
    }
    await raiseAlert(inner, {
      code: "job.failed",
      subject,
      severity: "critical",
      message: `${subject} failed after all its retries. ${whatToDo(subject)}`,
      details: { engineRunId, error },
    });
  });
  return { subject };
}

function whatToDo(subject: string): string {
  if (schedules.some((one) => one.id === subject)) {
    return `Look at GET /api/jobs/${subject}, mend the cause, then POST /api/jobs/${subject}/run.`;
  }
  return "Look at the run in the workflow engine, mend the cause, then run it again there.";
}
