import type { Session } from "./database.ts";
import { holds } from "./expressions.ts";
import type { Registry } from "./registry.ts";
import { answerWait, createRun, finishRun, lockRun } from "./runs.ts";
import {
  ENGINE_KEY,
  FUNCTION_FINISHED,
  FUNCTION_INVOKED,
  type EventPayload,
  type FunctionConfig,
} from "./types.ts";

/**
 * Does everything that a stored event causes: starts the functions it triggers, answers the waits and
 * cancels the runs it matches. Only one such transaction runs at a time, so it alone locks several runs.
 */
export async function routeEvent(session: Session, registry: Registry, internalId: string): Promise<void> {
  const [row] = await session.rows<{ payload: string }>(
    `select payload
     from inngest.events
     where internal_id = $1
     and handled_at is null
     for update`,
    [internalId],
  );
  if (!row) return;
  const event = JSON.parse(row.payload) as EventPayload;
  if (event.name === FUNCTION_INVOKED) await startInvoked(session, registry, internalId, event);
  if (event.name === FUNCTION_FINISHED) await answerInvoker(session, event);
  for (const config of registry.triggeredBy(event.name)) {
    if (triggers(config, event)) await createRun(session, config, internalId, event);
  }
  await matchWaits(session, event);
  await markHandled(session, internalId);
}

/** Takes an event out of the line; `failure` says why nothing came of it. */
export async function markHandled(session: Session, internalId: string, failure?: string): Promise<void> {
  await session.rows(
    `update inngest.events
     set handled_at = clock_timestamp(), failure = $2
     where internal_id = $1`,
    [internalId, failure ?? null],
  );
}

function triggers(config: FunctionConfig, event: EventPayload): boolean {
  return config.triggers.some(
    (trigger) => trigger.event === event.name && holds(trigger.expression, { event }),
  );
}

async function startInvoked(
  session: Session,
  registry: Registry,
  internalId: string,
  event: EventPayload,
): Promise<void> {
  const engine = (event.data[ENGINE_KEY] ?? {}) as { fn_id?: string; correlation_id?: string };
  const correlationId = engine.correlation_id ?? null;
  const fn = registry.get(engine.fn_id ?? "");
  if (fn && !fn.removed) {
    await createRun(session, fn.config, internalId, event, correlationId);
  } else if (correlationId) {
    const message = `could not find function with ID: ${engine.fn_id}`;
    await answerByCorrelation(session, correlationId, { error: { name: "Error", message } });
  }
}

async function answerInvoker(session: Session, event: EventPayload): Promise<void> {
  const { correlation_id: correlationId, error, result } = event.data;
  if (typeof correlationId !== "string") return;
  await answerByCorrelation(
    session,
    correlationId,
    "error" in event.data ? { error } : { data: result ?? null },
  );
}

async function answerByCorrelation(
  session: Session,
  correlationId: string,
  result: { data: unknown } | { error: unknown },
): Promise<void> {
  const [runId = "", stepId = ""] = correlationId.split(".");
  await answerWait(session, runId, stepId, result);
}

async function matchWaits(session: Session, event: EventPayload): Promise<void> {
  const waits = await session.rows<{
    run_id: string;
    step_id: string;
    kind: string;
    expression: string | null;
    event: string;
  }>(
    `select waits.run_id, waits.step_id, waits.kind, waits.expression, runs.event
     from inngest.waits
     join inngest.runs on runs.id = waits.run_id
     where waits.event_name = $1
     and (waits.due_at is null or waits.due_at > now())
     order by waits.run_id, waits.step_id`,
    [event.name],
  );
  for (const wait of waits) {
    if (!holds(wait.expression, { event: JSON.parse(wait.event) as EventPayload, async: event })) continue;
    if (wait.kind === "cancel") await cancelRun(session, wait.run_id, "function cancelled");
    else await answerWait(session, wait.run_id, wait.step_id, { data: event });
  }
}

/** Cancels a run that has not ended. Returns false when it had. */
export async function cancelRun(session: Session, runId: string, message: string): Promise<boolean> {
  const run = await lockRun(session, runId);
  if (!run) return false;
  await finishRun(session, run, "Cancelled", { error: { name: "Error", message } });
  return true;
}
