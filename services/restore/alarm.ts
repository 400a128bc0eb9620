import type { RunRow } from "../../db/queries/restore-runs.ts";
import { raiseAlert } from "../alerts/raise.ts";
import type { TransactionContext } from "../context.ts";

/** Tells of a restore that somebody has to look at. */
export function alarm(
  ctx: TransactionContext,
  code: "restore.failed" | "restore.needs-attention",
  run: RunRow,
  { status, error }: { status: string; error: string },
): Promise<void> {
  return raiseAlert(ctx, {
    code,
    subject: run.id,
    severity: "critical",
    message: error,
    details: { restoreId: run.id, incident: run.incident, status },
  });
}
