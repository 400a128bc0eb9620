import { findEffects, noteEffects } from "../../../db/queries/restore-effects.ts";
import { columnsOfJob } from "../../../lib/config-check.ts";
import type { RestoreContext } from "../context.ts";
import { jobMaker, jobsOf, type Job } from "./jobs.ts";
import { postJobs, sendEvents } from "./send-jobs.ts";
import {
  callDeadline,
  chunks,
  forEachPage,
  isPast,
  type EffectsOf,
  type PageOptions,
  type Work,
} from "./rows.ts";

/** Jobs that are sent between two notes: so many at most go twice when the process dies. */
const BATCH_MAX = 100;

interface Enqueued {
  /** Jobs that this call enqueued. */
  enqueued: number;
  /** Where to go on, which may be 0; null when all is done. */
  next: number | null;
}

/**
 * Enqueues the jobs that the configuration asks for, for the rows that a run has applied. Call it again with
 * `after: next` until that is null. Each job that was taken is noted; one that was taken and not noted is sent again
 * under the same id, by which its receiver knows it. Throws a ServiceError when a receiver does not take one; then the
 * call can be repeated.
 */
export async function reenqueueJobs(ctx: RestoreContext, options: PageOptions): Promise<Enqueued> {
  const configured = Object.entries(ctx.config.tables)
    .map(([table, { jobs = [] }]) => [table, jobs] as const)
    .filter(([, jobs]) => jobs.length > 0);
  if (configured.length === 0) return { enqueued: 0, next: null };
  const makers = Object.fromEntries(configured.map(([table, jobs]) => [table, jobs.map(jobMaker)]));
  const columns = Object.fromEntries(
    configured.map(([table, jobs]) => [table, [...new Set(jobs.flatMap(columnsOfJob))]]),
  );
  const deadline = callDeadline(options.deadline);
  const { count, next } = await forEachPage(ctx, { ...options, deadline }, columns, (rows) =>
    enqueue(ctx, options, jobsOf(options, rows, makers), deadline),
  );
  return { enqueued: count, next };
}

async function enqueue(ctx: RestoreContext, scope: EffectsOf, jobs: Job[], deadline: number): Promise<Work> {
  const effects = { runId: scope.runId, repeat: scope.repeat, kind: "enqueue" } as const;
  let count = 0;
  let left = jobs.length;
  for (const some of chunks(jobs, BATCH_MAX)) {
    left -= some.length;
    const noted = await findEffects(
      ctx.db,
      effects,
      some.map((job) => job.name),
    );
    const open = some.filter((job) => !noted.has(job.name));
    if (open.length === 0) continue;
    const note = async (taken: Job[]) => {
      const notes = taken.map(({ id, name }) => ({ name, detail: { id }, isDone: true }));
      count += (await noteEffects(ctx.db, effects, notes)).length;
    };
    await sendEvents(ctx, open, note);
    await postJobs(open, note);
    if (left > 0 && isPast(deadline)) return { count, isWhole: false };
  }
  return { count, isWhole: true };
}
