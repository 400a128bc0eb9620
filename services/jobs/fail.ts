import { endRun } from "../../db/queries/jobs.ts";
import { raiseAlert } from "../alerts/raise.ts";
import type { WorkerContext } from "../context.ts";

const ERROR_LENGTH_MAX = 500;

/** Notes that a workflow has used up its retries, and raises an alert. `functionId` is `<app>-<function>`. */
export async function recordFailure(
  ctx: WorkerContext,
  failure: { functionId: string; engineRunId: string; error: string },
): Promise<{ jobId: string | null }> {
  const error = failure.error.slice(0, ERROR_LENGTH_MAX);
  return ctx.db.transaction(async (tx) => {
    const run = await endRun(tx, { engineRunId: failure.engineRunId }, { status: "failed", error });
    const subject = run?.jobId ?? failure.functionId;
    await raiseAlert(
      { ...ctx, db: tx },
      {
        code: "job.failed",
        subject,
        severity: "critical",
        message: `${subject} failed after all its retries. Look at GET /api/jobs/${subject}, mend the cause, run it again.`,
        details: { engineRunId: failure.engineRunId, error },
      },
    );
    return { jobId: run?.jobId ?? null };
  });
}
