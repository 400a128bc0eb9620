import { nextTick } from "./crons.ts";
import type { Database, Session } from "./database.ts";
import { emitEvent } from "./events.ts";
import type { Registry } from "./registry.ts";
import { cancelRun, markHandled } from "./routing.ts";
import { answerWait, createRun } from "./runs.ts";
import { SCHEDULED_TIMER, type EventPayload } from "./types.ts";

const TIMERS_PER_ROUND = 100;
const KEEP_DAYS = 7;
/** For a cron that has no tick left. */
const NEVER = new Date("9999-01-01T00:00:00Z");

/** Fires what is due: sleeps and time-outs, crons, deadlines. Returns how many there were. */
export async function fireTimers(database: Database, registry: Registry): Promise<number> {
  return (
    (await fireWaits(database)) + (await fireCrons(database, registry)) + (await fireDeadlines(database))
  );
}

/** Milliseconds until the next timer or job that is not due yet; Infinity when there is none. */
export async function nextDueMs(database: Database): Promise<number> {
  const [row] = await database.rows<{ ms: number | null }>(
    `select (extract(epoch from least(
       (select min(run_at) from inngest.jobs where claimed_by is null and run_at > now()),
       (select min(due_at) from inngest.waits),
       (select min(next_at) from inngest.crons),
       (select min(deadline) from inngest.runs where status = 'Running')
     ) - clock_timestamp()) * 1000)::float8 as ms`,
  );
  return row?.ms == null ? Infinity : Math.max(0, Math.ceil(row.ms));
}

async function fireWaits(database: Database): Promise<number> {
  const due = await database.rows<{ run_id: string; step_id: string; kind: string }>(
    `select run_id, step_id, kind
     from inngest.waits
     where due_at <= now()
     order by due_at
     limit $1`,
    [TIMERS_PER_ROUND],
  );
  for (const wait of due) {
    await database.transaction((session) => timeOut(session, wait.run_id, wait.step_id, wait.kind));
  }
  return due.length;
}

async function timeOut(session: Session, runId: string, stepId: string, kind: string): Promise<void> {
  if (kind === "cancel") {
    await session.rows("delete from inngest.waits where run_id = $1 and step_id = $2", [runId, stepId]);
    return;
  }
  const message = "Timed out waiting for invoked function to complete";
  const result = kind === "invoke" ? { error: { name: "InngestInvokeTimeout", message } } : { data: null };
  await answerWait(session, runId, stepId, result);
}

async function fireCrons(database: Database, registry: Registry): Promise<number> {
  const due = await database.rows<{ function_id: string; expression: string }>(
    `select function_id, expression
     from inngest.crons
     where next_at <= now()
     limit $1`,
    [TIMERS_PER_ROUND],
  );
  for (const cron of due) {
    await database.transaction((session) => tick(session, registry, cron.function_id, cron.expression));
  }
  return due.length;
}

/** Fires once however many ticks were missed: the next one is counted from now. */
async function tick(
  session: Session,
  registry: Registry,
  functionId: string,
  expression: string,
): Promise<void> {
  const moved = await session.rows(
    `update inngest.crons
     set next_at = $3
     where function_id = $1
     and expression = $2
     and next_at <= now()
     returning function_id`,
    [functionId, expression, nextTick(expression, new Date()) ?? NEVER],
  );
  const fn = registry.get(functionId);
  if (moved.length === 0 || !fn || fn.removed) return;
  const internalId = await emitEvent(session, SCHEDULED_TIMER, { cron: expression });
  const [row] = await session.rows<{ payload: string }>(
    "select payload from inngest.events where internal_id = $1",
    [internalId],
  );
  await createRun(session, fn.config, internalId, JSON.parse(row?.payload ?? "") as EventPayload);
  await markHandled(session, internalId);
}

async function fireDeadlines(database: Database): Promise<number> {
  const due = await database.rows<{ id: string }>(
    `select id
     from inngest.runs
     where status = 'Running'
     and deadline <= now()
     limit $1`,
    [TIMERS_PER_ROUND],
  );
  for (const run of due) {
    await database.transaction((session) => cancelRun(session, run.id, "function timed out"));
  }
  return due.length;
}

/** Forgets what ended more than KEEP_DAYS ago. */
export async function sweep(database: Database): Promise<void> {
  await database.transaction(async (session) => {
    await session.rows("delete from inngest.keys where expires_at <= now()");
    await session.rows("delete from inngest.runs where ended_at < now() - make_interval(days => $1)", [
      KEEP_DAYS,
    ]);
    await session.rows(
      `delete from inngest.events
       where received_at < now() - make_interval(days => $1)
       and handled_at is not null`,
      [KEEP_DAYS],
    );
  });
}
