import type { Backoff } from "./backoff.ts";
import type { Outcome } from "./call.ts";
import type { Database, Session } from "./database.ts";
import type { Job } from "./jobs.ts";
import { maxAttempts } from "./registry.ts";
import { finishRun, lockRun, proceed, storeResult } from "./runs.ts";
import { beginWaiting, failRun } from "./waiting.ts";
import { RACE, type FunctionConfig, type Op, type RunRow } from "./types.ts";

/** What the ops of one answer ask for, apart from what they stored. */
interface Verdict {
  ended: boolean;
  retry: boolean;
  news: boolean;
  race: boolean;
}

/**
 * Writes down what came of a call, in one transaction: results, what to wait for, what to call next. An
 * answer to a call that was dispatched again meanwhile, or of a run that has ended, changes nothing.
 */
export async function applyOutcome(
  database: Database,
  config: FunctionConfig,
  job: Job,
  outcome: Outcome,
  backoff: Backoff,
): Promise<void> {
  await database.transaction(async (session) => {
    const run = await lockRun(session, job.runId);
    const current = run && (await currentJob(session, job));
    if (!run || !current) return;
    const attemptsLeft = current.attempt + 1 < maxAttempts(config);
    if (outcome.kind === "done") {
      await finishRun(session, run, "Completed", { result: outcome.data });
    } else if (outcome.kind === "ops") {
      await applyOps(session, run, job, current, outcome, attemptsLeft, backoff);
    } else if (outcome.retry && attemptsLeft) {
      await retryJob(session, job, current.attempt, outcome.retryAt, backoff);
    } else {
      await finishRun(session, run, "Failed", { error: outcome.error });
    }
  });
}

interface CurrentJob {
  attempt: number;
  again: boolean;
}

/** The job's row while this dispatch is still its newest. */
export async function currentJob(
  session: Session,
  job: Pick<Job, "id" | "generation" | "runId">,
): Promise<CurrentJob | undefined> {
  const [row] = await session.rows<CurrentJob & Record<string, unknown>>(
    `select attempt, again
     from inngest.jobs
     where id = $1
     and run_id = $2
     and generation = $3
     and claimed_by is not null`,
    [job.id, job.runId, job.generation],
  );
  return row;
}

async function retryJob(
  session: Session,
  job: Job,
  attempt: number,
  retryAt: Date | null,
  backoff: Backoff,
): Promise<void> {
  await session.rows(
    `update inngest.jobs
     set attempt = attempt + 1, generation = generation + 1, claimed_by = null, again = false, run_at = $2
     where id = $1`,
    [job.id, retryAt ?? new Date(Date.now() + backoff(attempt))],
  );
}

async function applyOps(
  session: Session,
  run: RunRow,
  job: Job,
  current: CurrentJob,
  { ops, retryAt }: Extract<Outcome, { kind: "ops" }>,
  attemptsLeft: boolean,
  backoff: Backoff,
): Promise<void> {
  const verdict: Verdict = { ended: false, retry: false, news: current.again, race: job.race };
  if (ops.length > 1) await session.rows("update inngest.runs set plan_steps = true where id = $1", [run.id]);
  for (const op of ops) {
    await applyOp(session, run, op, attemptsLeft, verdict);
    if (verdict.ended) return;
  }
  if (verdict.retry || (ops.length === 0 && attemptsLeft)) {
    await retryJob(session, job, current.attempt, retryAt, backoff);
    return;
  }
  await session.rows("delete from inngest.jobs where id = $1", [job.id]);
  if (ops.length === 0) await failRun(session, run, "The SDK answered without a step or a result");
  else if (verdict.news) await proceed(session, run.id, verdict.race || current.again);
}

async function applyOp(
  session: Session,
  run: RunRow,
  op: Op,
  attemptsLeft: boolean,
  verdict: Verdict,
): Promise<void> {
  const store = async (result: { data: unknown } | { error: unknown }) => {
    await storeResult(session, run.id, op.id, op.displayName ?? op.name, result);
    verdict.news = true;
    verdict.race ||= op.opts?.parallelMode === RACE;
  };
  switch (op.op) {
    case "RunComplete":
      await finishRun(session, run, "Completed", { result: op.data });
      verdict.ended = true;
      return;
    case "StepRun":
    case "Step":
      return store({ data: op.data ?? null });
    case "StepError":
      // The last attempt's error is the step's result, for the handler to catch.
      if (!attemptsLeft) return store({ error: op.error ?? op.data });
      verdict.retry = true;
      return;
    case "StepFailed":
      return store({ error: op.error ?? op.data });
    case "DiscoveryRequest":
      verdict.news = true;
      return;
    default: {
      const begun = await beginWaiting(session, run, op);
      verdict.news ||= begun === "answered";
      verdict.ended = begun === "ended";
    }
  }
}
