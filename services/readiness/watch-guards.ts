import { unguardedPartitions } from "../../db/queries/readiness.ts";
import { raiseAlert, resolveAlert } from "../alerts/raise.ts";
import type { WorkerContext } from "../context.ts";

const SUBJECT = "audit log";

/** Raises an alert while any part of the log can be changed, and closes it when none can. */
export async function alertOpenGuards(ctx: WorkerContext): Promise<{ open: string[] }> {
  const open = await unguardedPartitions(ctx.db);
  if (open.length === 0) {
    await resolveAlert(ctx, "guards.open", SUBJECT);
  } else {
    await raiseAlert(ctx, {
      code: "guards.open",
      subject: SUBJECT,
      severity: "critical",
      message: `The log can be changed in: ${open.join(", ")}. Someone switched guards off or replaced them; find out who, then run: npx afterimage doctor`,
      details: { open },
    });
  }
  return { open };
}
