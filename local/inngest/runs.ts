import type { Session } from "./database.ts";
import { claimKey, emitEvent } from "./events.ts";
import { evaluate } from "./expressions.ts";
import { ulid } from "./ids.ts";
import { slotsOf } from "./slots.ts";
import { momentOf } from "./time-strings.ts";
import {
  DISCOVERY,
  ENGINE_KEY,
  FUNCTION_CANCELLED,
  FUNCTION_FAILED,
  FUNCTION_FINISHED,
  type EventPayload,
  type FunctionConfig,
  type RunRow,
  type RunStatus,
} from "./types.ts";

/** Starts a function on an event: once per function and event. Returns the run's id, null if it has one. */
export async function createRun(
  session: Session,
  config: FunctionConfig,
  eventInternalId: string,
  event: EventPayload,
  correlationId: string | null = null,
): Promise<string | null> {
  const id = ulid();
  if (config.idempotency && correlationId === null) {
    const key = JSON.stringify(evaluate(config.idempotency, { event }));
    if ((await claimKey(session, `run:${config.id}`, key, id)) !== id) return null;
  }
  const slots = slotsOf(config, event);
  const start = config.timeouts?.start;
  const created = await session.rows(
    `insert into inngest.runs (id, function_id, event_internal_id, event, correlation_id, slots, limits, deadline)
     values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (function_id, event_internal_id) do nothing
     returning id`,
    [
      id,
      config.id,
      eventInternalId,
      JSON.stringify(event),
      correlationId,
      slots.map(({ slot }) => slot),
      slots.map(({ limit }) => limit),
      start ? momentOf(start, new Date()) : null,
    ],
  );
  if (created.length === 0) return null;
  for (const [index, cancel] of (config.cancel ?? []).entries()) {
    await session.rows(
      `insert into inngest.waits (run_id, step_id, kind, event_name, expression, due_at)
       values ($1, $2, 'cancel', $3, $4, $5)`,
      [
        id,
        `cancel:${index}`,
        cancel.event,
        cancel.if ?? null,
        cancel.timeout ? momentOf(cancel.timeout, new Date()) : null,
      ],
    );
  }
  await enqueueDiscovery(session, id);
  return id;
}

/** The run's row, locked: everything that changes a run holds this lock. Undefined when it has ended. */
export async function lockRun(session: Session, runId: string): Promise<RunRow | undefined> {
  const [run] = await session.rows<RunRow & Record<string, unknown>>(
    `select id, function_id, event_internal_id, event, status, correlation_id, plan_steps
     from inngest.runs
     where id = $1
     and status = 'Running'
     for update`,
    [runId],
  );
  return run;
}

/** Ends a run, drops what it was waiting for and tells those who listen. */
export async function finishRun(
  session: Session,
  run: RunRow,
  status: Exclude<RunStatus, "Running">,
  output: { result: unknown } | { error: unknown },
): Promise<void> {
  await session.rows(
    `update inngest.runs
     set status = $2, output = $3, ended_at = clock_timestamp()
     where id = $1`,
    [run.id, status, JSON.stringify(("error" in output ? output.error : output.result) ?? null)],
  );
  await session.rows("delete from inngest.jobs where run_id = $1", [run.id]);
  await session.rows("delete from inngest.waits where run_id = $1", [run.id]);
  await announceEnd(session, run, status, output);
}

async function announceEnd(
  session: Session,
  run: RunRow,
  status: RunStatus,
  output: { result: unknown } | { error: unknown },
): Promise<void> {
  const event = JSON.parse(run.event) as EventPayload;
  // A handler of ended functions that ends would announce itself for ever.
  if (event.name === FUNCTION_FAILED || event.name === FUNCTION_FINISHED) return;
  const data = {
    function_id: run.function_id,
    run_id: run.id,
    event,
    events: [event],
    ...output,
    ...(run.correlation_id ? { correlation_id: run.correlation_id } : {}),
    [ENGINE_KEY]: { status },
  };
  await emitEvent(session, FUNCTION_FINISHED, data);
  if (status === "Failed") await emitEvent(session, FUNCTION_FAILED, data, { id: run.id });
  if (status === "Cancelled") await emitEvent(session, FUNCTION_CANCELLED, data, { id: run.id });
}

/** Asks for the next discovery. One that is under way knows nothing of news: it is told to go again. */
async function enqueueDiscovery(session: Session, runId: string): Promise<void> {
  await session.rows(
    `insert into inngest.jobs (run_id, step_id)
     values ($1, $2)
     on conflict (run_id, step_id) do update
     set again = jobs.claimed_by is not null`,
    [runId, DISCOVERY],
  );
}

/** Whether a planned step or a wait still holds the run up; one that takes part in a race does not. */
async function hasPending(session: Session, runId: string): Promise<boolean> {
  const [row] = await session.rows<{ pending: boolean }>(
    `select exists (
       select from inngest.jobs
       where run_id = $1
       and step_id <> $2
       and not race
     ) or exists (
       select from inngest.waits
       where run_id = $1
       and kind <> 'cancel'
       and not race
     ) as pending`,
    [runId, DISCOVERY],
  );
  return row?.pending ?? false;
}

/** Memoizes a step's result; the first one stays. */
export async function storeResult(
  session: Session,
  runId: string,
  stepId: string,
  name: string | null | undefined,
  result: { data: unknown } | { error: unknown },
): Promise<void> {
  await session.rows(
    `insert into inngest.steps (run_id, step_id, name, result)
     values ($1, $2, $3, $4)
     on conflict do nothing`,
    [runId, stepId, name?.replaceAll("\0", "") ?? null, JSON.stringify(result)],
  );
}

/** Goes on with a run once nothing holds it up, or at once in race mode. The caller holds its lock. */
export async function proceed(session: Session, runId: string, race = false): Promise<void> {
  const pending = await hasPending(session, runId);
  if (pending && !race) return;
  if (!pending) {
    await session.rows("update inngest.runs set plan_steps = false where id = $1 and plan_steps", [runId]);
  }
  await enqueueDiscovery(session, runId);
}

/** Answers a wait with a result. Returns false when it was answered before or its run has ended. */
export async function answerWait(
  session: Session,
  runId: string,
  stepId: string,
  result: { data: unknown } | { error: unknown },
): Promise<boolean> {
  if (!(await lockRun(session, runId))) return false;
  const [wait] = await session.rows<{ name: string | null; race: boolean }>(
    `delete from inngest.waits
     where run_id = $1
     and step_id = $2
     returning name, race`,
    [runId, stepId],
  );
  if (!wait) return false;
  await storeResult(session, runId, stepId, wait.name, result);
  await proceed(session, runId, wait.race);
  return true;
}
