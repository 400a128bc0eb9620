import { closeAlert, upsertAlert, type NewAlert } from "../../db/queries/alerts.ts";
import type { WorkerContext } from "../context.ts";

/** Stores an alert and logs it; an open one of the same code and subject is raised again instead of twice. */
export async function raiseAlert(ctx: Pick<WorkerContext, "db" | "log">, alert: NewAlert): Promise<void> {
  const { id, raiseCount } = await upsertAlert(ctx.db, alert);
  ctx.log.warn(
    { alertId: id, code: alert.code, subject: alert.subject, severity: alert.severity, raiseCount },
    "alert",
  );
}

/** Closes an alert whose cause is gone. */
export async function resolveAlert(
  ctx: Pick<WorkerContext, "db" | "log">,
  code: string,
  subject: string,
): Promise<void> {
  if (await closeAlert(ctx.db, code, subject)) ctx.log.info({ code, subject }, "alert resolved");
}
