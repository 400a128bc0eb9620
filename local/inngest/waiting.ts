import type { Session } from "./database.ts";
import { emitEvent } from "./events.ts";
import { evaluate } from "./expressions.ts";
import { messageOf } from "./log.ts";
import { finishRun } from "./runs.ts";
import { momentOf } from "./time-strings.ts";
import { ENGINE_KEY, FUNCTION_INVOKED, RACE, type Op, type RunRow, type SerializedError } from "./types.ts";

const INVOKE_TIMEOUT = "365d";

/**
 * Carries out an op that makes the run wait; one that is reported again changes nothing. Returns
 * "answered" for one that has its result already and "ended" when the op cannot be and failed the run.
 */
export async function beginWaiting(
  session: Session,
  run: RunRow,
  op: Op,
): Promise<"waiting" | "answered" | "ended"> {
  const known = await session.rows("select from inngest.steps where run_id = $1 and step_id = $2", [
    run.id,
    op.id,
  ]);
  if (known.length > 0) return "answered";
  try {
    const begin = WAITING_OPS[op.op];
    if (!begin) throw new RangeError(`The local executor does not know the operation ${op.op}`);
    await begin(session, run, op);
    return "waiting";
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
    await failRun(session, run, messageOf(error));
    return "ended";
  }
}

const WAITING_OPS: Record<string, (session: Session, run: RunRow, op: Op) => Promise<void>> = {
  StepPlanned: plan,
  Sleep: async (session, run, op) => {
    await addWait(session, run, op, "sleep", {
      dueAt: momentOf(op.opts?.duration ?? op.name ?? "", new Date()),
    });
  },
  WaitForEvent: waitForEvent,
  InvokeFunction: invoke,
};

async function plan(session: Session, run: RunRow, op: Op): Promise<void> {
  await session.rows(
    `insert into inngest.jobs (run_id, step_id, race)
     values ($1, $2, $3)
     on conflict (run_id, step_id) do nothing`,
    [run.id, op.id, op.opts?.parallelMode === RACE],
  );
}

async function waitForEvent(session: Session, run: RunRow, op: Op): Promise<void> {
  const expression = op.opts?.if ?? null;
  if (expression) evaluate(expression, {});
  await addWait(session, run, op, "event", {
    eventName: op.opts?.event ?? op.name ?? "",
    expression,
    dueAt: momentOf(op.opts?.timeout ?? "", new Date()),
  });
}

async function invoke(session: Session, run: RunRow, op: Op): Promise<void> {
  const dueAt = momentOf(op.opts?.timeout ?? INVOKE_TIMEOUT, new Date());
  if (!(await addWait(session, run, op, "invoke", { dueAt }))) return;
  const data = {
    ...op.opts?.payload?.data,
    [ENGINE_KEY]: {
      fn_id: op.opts?.function_id ?? "",
      correlation_id: `${run.id}.${op.id}`,
      source_fn_id: run.function_id,
      name: op.displayName ?? "",
      expire: dueAt.getTime(),
    },
  };
  await emitEvent(session, FUNCTION_INVOKED, data, { v: op.opts?.payload?.v ?? null });
}

async function addWait(
  session: Session,
  run: RunRow,
  op: Op,
  kind: "sleep" | "event" | "invoke",
  wait: { eventName?: string; expression?: string | null; dueAt: Date },
): Promise<boolean> {
  const added = await session.rows(
    `insert into inngest.waits (run_id, step_id, kind, name, event_name, expression, due_at, race)
     values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (run_id, step_id) do nothing
     returning run_id`,
    [
      run.id,
      op.id,
      kind,
      (op.displayName ?? "").replaceAll("\0", ""),
      wait.eventName ?? null,
      wait.expression ?? null,
      wait.dueAt,
      op.opts?.parallelMode === RACE,
    ],
  );
  return added.length > 0;
}

/** Fails a run for a reason that is the engine's. */
export async function failRun(session: Session, run: RunRow, message: string): Promise<void> {
  const error: SerializedError = { name: "Error", message };
  await finishRun(session, run, "Failed", { error });
}
