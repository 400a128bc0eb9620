import { cleanupsOfRun } from "../../db/queries/cleanup.ts";
import { raiseAlert, resolveAlert } from "../alerts/raise.ts";
import type { CleanupContext } from "./context.ts";

const SUBJECT = "retention-cleanup";
const NAMED_MAX = 10;

/** Raises an alert that names the rules of a run which were not carried out, and closes it when all were. */
export async function reportCleanup(ctx: CleanupContext, runId: string): Promise<{ problems: number }> {
  const failed = (await cleanupsOfRun(ctx.db, runId)).filter((row) => row.problem !== null);
  if (failed.length === 0) {
    await resolveAlert(ctx, "retention.failed", SUBJECT);
    return { problems: 0 };
  }
  const named = failed.slice(0, NAMED_MAX).map((row) => `${row.tableName} ${row.problem}`);
  await raiseAlert(ctx, {
    code: "retention.failed",
    subject: SUBJECT,
    severity: "warning",
    message: `${failed.length} rules of afterimage.config.ts were not carried out: ${named.join(". ")}. Mend them, look with npx afterimage retention preview, then POST /api/jobs/retention-cleanup/run.`,
    details: { runId, tables: failed.slice(0, NAMED_MAX).map((row) => row.tableName) },
  });
  return { problems: failed.length };
}
