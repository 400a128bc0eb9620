import { lockAlert, noteAcknowledged } from "../../db/queries/alerts.ts";
import { requireOperator, type Context } from "../context.ts";
import { notFound, ServiceError } from "../errors.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { toAlert, type Alert } from "./alert.ts";

/**
 * Says that somebody looks after an open alert, which ends its reminders. Acknowledging twice changes nothing. Throws
 * `conflict` (409) for one that is resolved.
 */
export async function acknowledgeAlert(ctx: Context, id: string, docsUrl: string): Promise<Alert> {
  requireOperator(ctx, "alerts:manage");
  return ctx.db.transaction(async (tx) => {
    const before = await lockAlert(tx, id);
    if (!before) throw notFound("alert");
    if (before.resolvedAt !== null) {
      throw new ServiceError("conflict", "This alert is resolved; there is nothing left to acknowledge.");
    }
    if (before.acknowledgedAt !== null) return toAlert(before, docsUrl);
    const after = await noteAcknowledged(tx, id, ctx.principal.userId);
    await logServiceEvent({ ...ctx, db: tx }, "ACKNOWLEDGE_ALERT", "alert", id, {
      oldValues: { acknowledgedAt: null },
      newValues: { acknowledgedAt: after.acknowledgedAt?.toISOString() ?? null },
      metadata: { code: after.code, subject: after.subject },
    });
    return toAlert(after, docsUrl);
  });
}
