import {
  closeAlert,
  currentAlert,
  insertAlert,
  lockAlerts,
  raiseAgain,
  type AlertRow,
  type NewAlert as StoredAlert,
} from "../../db/queries/alerts.ts";
import { inTransaction, type TransactionContext, type WorkerContext } from "../context.ts";
import { isQuiet } from "../quiet.ts";
import { subjectsOfCallers, type AlertCode } from "./codes.ts";
import { requestMessage } from "./request-message.ts";

/** What comes back this soon was never really gone. */
export const QUIET_S = 10 * 60;

export type NewAlert = StoredAlert & { code: AlertCode };
type Raiser = WorkerContext & Partial<TransactionContext>;

/**
 * Opens an alert, or counts up the one that is open for the same code and subject (or was, until 10 minutes ago), and
 * asks for a message when there is news: it was opened, or became critical before anybody acknowledged it. Does nothing
 * where no alarm may go out.
 */
export async function raiseAlert(ctx: Raiser, alert: NewAlert): Promise<void> {
  const { code, subject, severity } = alert;
  if (await isQuiet(ctx)) return ctx.log.info({ code }, "no alert is raised here");
  await inTransaction(ctx, async (inner) => {
    await lockAlerts(inner.db, code, subject);
    const before = await currentAlert(inner.db, { code, subject, quietSeconds: QUIET_S });
    const notified = before === null || becameCritical(before, alert);
    const row = before
      ? await raiseAgain(inner.db, before.id, alert, { notified })
      : await insertAlert(inner.db, alert, { notified });
    if (notified) await requestMessage(inner, row.id, "raised");
    const { id: alertId, raiseCount } = row;
    ctx.log.warn({ alertId, code, ...shown(code, subject), severity, raiseCount }, "alert");
  });
}

const shown = (code: AlertCode, subject: string) => (subjectsOfCallers.has(code) ? {} : { subject });

const becameCritical = (before: AlertRow, { severity }: NewAlert): boolean =>
  before.acknowledgedAt === null && before.severity === "warning" && severity === "critical";

/** Closes an alert whose cause is gone; who was told of the trouble is told so, unless it comes back within 10 minutes. */
export async function resolveAlert(ctx: Raiser, code: AlertCode, subject: string): Promise<void> {
  if (await isQuiet(ctx)) return;
  await inTransaction(ctx, async (inner) => {
    await lockAlerts(inner.db, code, subject);
    const closed = await closeAlert(inner.db, code, subject);
    if (!closed) return;
    if (closed.notifiedAt !== null) await requestMessage(inner, closed.id, "resolved");
    ctx.log.info({ alertId: closed.id, code, ...shown(code, subject) }, "alert resolved");
  });
}
