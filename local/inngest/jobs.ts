import type { Database } from "./database.ts";
import type { FunctionConfig, RunRow } from "./types.ts";
import { momentOf } from "./time-strings.ts";
import type { Slot, SlotCounter } from "./slots.ts";

/** A call that this process has claimed and must make. */
export interface Job {
  id: string;
  runId: string;
  functionId: string;
  stepId: string;
  attempt: number;
  generation: number;
  race: boolean;
  slots: Slot[];
}

interface JobRow {
  id: string;
  run_id: string;
  function_id: string;
  step_id: string;
  attempt: number;
  race: boolean;
  slots: string[];
  limits: number[];
}

/**
 * Claims up to `count` due jobs, oldest first, as far as their concurrency allows; a crowded slot does
 * not hold up others. The slots of what is returned are taken: the caller releases them.
 */
export async function claimJobs(
  database: Database,
  slots: SlotCounter,
  executor: string,
  count: number,
): Promise<Job[]> {
  const due = await database.rows<JobRow & Record<string, unknown>>(
    `select jobs.id, jobs.run_id, runs.function_id, jobs.step_id, jobs.attempt, jobs.race, runs.slots, runs.limits
     from inngest.jobs
     join inngest.runs on runs.id = jobs.run_id
     where jobs.claimed_by is null
     and jobs.run_at <= now()
     and not (runs.slots && $1)
     order by jobs.run_at, jobs.id
     limit $2`,
    [slots.full(), count],
  );
  const taken = due.map(toJob).filter((job) => slots.tryTake(job.slots));
  if (taken.length === 0) return [];
  const claimed = await claim(
    database,
    executor,
    taken.map((job) => job.id),
  ).catch((error: unknown) => {
    for (const job of taken) slots.release(job.slots);
    throw error;
  });
  return taken.filter((job) => {
    job.generation = claimed.get(job.id) ?? 0;
    if (job.generation === 0) slots.release(job.slots);
    return job.generation > 0;
  });
}

function toJob(row: JobRow): Job {
  return {
    id: row.id,
    runId: row.run_id,
    functionId: row.function_id,
    stepId: row.step_id,
    attempt: row.attempt,
    generation: 0,
    race: row.race,
    slots: row.slots.map((slot, index) => ({ slot, limit: row.limits[index] ?? 1 })),
  };
}

async function claim(database: Database, executor: string, ids: string[]): Promise<Map<string, number>> {
  const rows = await database.rows<{ id: string; generation: number }>(
    `update inngest.jobs
     set claimed_by = $1, generation = generation + 1, again = false
     where id = any($2::bigint[])
     and claimed_by is null
     returning id, generation`,
    [executor, ids],
  );
  return new Map(rows.map((row) => [row.id, row.generation]));
}

/** Frees the claims of executors that are gone. Answers to their calls are refused from now on. */
export async function reclaimJobs(database: Database, executor: string): Promise<number> {
  const rows = await database.transaction((session) =>
    session.rows(
      `update inngest.jobs
       set claimed_by = null, generation = generation + 1
       where claimed_by is not null
       and claimed_by <> $1
       returning id`,
      [executor],
    ),
  );
  return rows.length;
}

/** Makes a job due again after `waitMs`, for when its answer could not be dealt with at all. */
export async function postponeJob(database: Database, job: Job, waitMs: number): Promise<void> {
  await database.transaction((session) =>
    session.rows(
      `update inngest.jobs
       set claimed_by = null, generation = generation + 1, run_at = now() + $3 * interval '1 millisecond'
       where id = $1
       and generation = $2`,
      [job.id, job.generation, waitMs],
    ),
  );
}

/** What a call carries: the run and its memoized steps in the order they were stored. */
export interface RunState {
  run: RunRow;
  steps: { step_id: string; result: string }[];
}

/** Reads what a call carries; its first call starts a run's clock. Undefined when the run has ended. */
export async function loadState(
  database: Database,
  job: Job,
  config: FunctionConfig | undefined,
): Promise<RunState | undefined> {
  const finish = config?.timeouts?.finish;
  return database.transaction(async (session) => {
    await session.rows(
      `update inngest.runs
       set started_at = clock_timestamp(), deadline = $2
       where id = $1
       and started_at is null`,
      [job.runId, finish ? momentOf(finish, new Date()) : null],
    );
    const [run] = await session.rows<RunRow & Record<string, unknown>>(
      `select id, function_id, event_internal_id, event, status, correlation_id, plan_steps
       from inngest.runs
       where id = $1
       and status = 'Running'`,
      [job.runId],
    );
    return run && { run, steps: await loadSteps(session, job.runId) };
  });
}

/** A run's memoized steps in the order they were stored. */
export async function loadSteps(
  session: Pick<Database, "rows">,
  runId: string,
): Promise<{ step_id: string; result: string }[]> {
  return session.rows<{ step_id: string; result: string }>(
    `select step_id, result
     from inngest.steps
     where run_id = $1
     order by position`,
    [runId],
  );
}
