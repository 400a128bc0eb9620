import { endRun } from "../../db/queries/jobs.ts";
import { notePickedUp } from "../../db/queries/requests.ts";
import { raiseAlert } from "../alerts/raise.ts";
import type { WorkerContext } from "../context.ts";

const APP_PREFIX = /^afterimage-/;
const ERROR_LENGTH_MAX = 500;

export interface WorkflowFailure {
  /** `<app>-<function>`, as the engine names it. */
  functionId: string;
  engineRunId: string;
  /** The run that somebody asked for, if one did: it may have failed before it was begun. */
  requestedRunId: string | null;
  error: string;
}

/** Notes that a workflow has used up its retries, and raises an alert that its next success resolves. */
export async function recordFailure(
  ctx: WorkerContext,
  failure: WorkflowFailure,
): Promise<{ subject: string }> {
  const { engineRunId, requestedRunId } = failure;
  const subject = failure.functionId.replace(APP_PREFIX, "");
  const error = failure.error.slice(0, ERROR_LENGTH_MAX);
  await ctx.db.transaction(async (tx) => {
    const end = { status: "failed", error } as const;
    const ended = await endRun(tx, { engineRunId }, end);
    if (requestedRunId !== null) {
      if (!ended) await endRun(tx, { id: requestedRunId, notBegun: true }, end);
      await notePickedUp(tx, requestedRunId);
    }
    await raiseAlert(
      { ...ctx, db: tx },
      {
        code: "job.failed",
        subject,
        severity: "critical",
        message: `${subject} failed after all its retries. Look at GET /api/jobs/${subject}, mend the cause, then POST /api/jobs/${subject}/run.`,
        details: { engineRunId, error },
      },
    );
  });
  return { subject };
}
