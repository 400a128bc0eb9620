import { raiseAlert, resolveAlert } from "../alerts/raise.ts";
import type { WorkerContext } from "../context.ts";

const SUBJECT = "audit_events";

/** Tells of months that stayed because the tables were busy, or that none does. The moves themselves are logged as they are made. */
export async function logArchiveRun(ctx: WorkerContext, busyMonths: string[]): Promise<void> {
  if (busyMonths.length === 0) return resolveAlert(ctx, "archive.busy", SUBJECT);
  await raiseAlert(ctx, {
    code: "archive.busy",
    subject: SUBJECT,
    severity: "warning",
    message: `Due for the archive, but the tables were busy at every try: ${busyMonths.join(", ")}. Nothing is lost; the next run tries again. End long transactions on audit_events, or POST /api/jobs/archive-events/run at a quiet hour.`,
    details: { months: busyMonths },
  });
}
