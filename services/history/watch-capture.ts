import {
  captureProblems,
  failingTables,
  switchedOffTables,
  type CaptureProblem,
  type UnrecordedTable,
} from "../../db/queries/capture.ts";
import { raiseAlert, resolveAlert, type NewAlert } from "../alerts/raise.ts";
import type { WorkerContext } from "../context.ts";

/** For this long after an error changes may go unrecorded still. */
export const ERRORS_PAST_S = 60 * 60;
const SUBJECT = "row history";
/** What a message holds of a long list. */
const NAMED_MAX = 20;

/** Problems of capture because of which changes go unrecorded; the others are for /ready alone. */
const isUnrecorded = ({ problem }: CaptureProblem) => problem === "triggers" || problem === "partition";

/** Raises an alert while changes of tracked tables go unrecorded, and closes it when they no longer do. */
export async function alertCapture(
  ctx: WorkerContext,
): Promise<{ off: number; failing: number; broken: number }> {
  const off = await switchedOffTables(ctx.db);
  await raiseWhile(ctx, off.length > 0, {
    code: "capture.off",
    subject: SUBJECT,
    severity: "critical",
    message: `Capture is switched off, so changes go unrecorded in: ${named(off)}. When the reason is past: npx afterimage capture on`,
    details: { tables: off.slice(0, NAMED_MAX) },
  });
  const failing = await failingTables(ctx.db, ERRORS_PAST_S);
  await raiseWhile(ctx, failing.length > 0, {
    code: "capture.gap",
    subject: SUBJECT,
    severity: "critical",
    message: `Changes could not be recorded, and were let through (on_error is warn), in: ${named(failing)}. Postgres' log has why; then run: npx afterimage track <table>`,
    details: { tables: failing.slice(0, NAMED_MAX) },
  });
  const broken = (await captureProblems(ctx.db)).filter(isUnrecorded);
  const relations = broken.map((one) => ({ table: one.relation }));
  await raiseWhile(ctx, broken.length > 0, {
    code: "capture.broken",
    subject: SUBJECT,
    severity: "critical",
    message: `Changes go unrecorded, because triggers are off or missing, in: ${named(relations)}. Find out who did it; npx afterimage doctor says what to do.`,
    details: { problems: broken.slice(0, NAMED_MAX) },
  });
  return { off: off.length, failing: failing.length, broken: broken.length };
}

async function raiseWhile(ctx: WorkerContext, holds: boolean, alert: NewAlert): Promise<void> {
  if (holds) await raiseAlert(ctx, alert);
  else await resolveAlert(ctx, alert.code, alert.subject);
}

/** The names in words, with how many more there are. */
export function named(tables: Pick<UnrecordedTable, "table">[]): string {
  const names = tables.slice(0, NAMED_MAX).map((one) => one.table);
  return [...names, ...(tables.length > NAMED_MAX ? [`${tables.length - NAMED_MAX} more`] : [])].join(", ");
}
