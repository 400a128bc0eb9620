import { findAlert, hasOpenAlert, type AlertRow } from "../../db/queries/alerts.ts";
import type { Db } from "../../db/client.ts";
import {
  disabledChannels,
  insertNotifications,
  notificationsOfRequest,
  type NotificationKind,
} from "../../db/queries/notifications.ts";
import { findRequest, notePickedUp } from "../../db/queries/requests.ts";
import type { Logger } from "../../lib/logger.ts";
import { inTransaction, type WorkerContext } from "../context.ts";
import { isQuiet } from "../quiet.ts";
import type { Alerting } from "./channels.ts";

export const CHANNEL_DISABLED = "channel is disabled";

export interface MessageRequest {
  requestId: string;
  alertId: string;
  kind: NotificationKind;
}

export interface PlannedMessage {
  id: string;
  channel: string;
  /** A test is told to disabled channels too, and once. */
  isTest: boolean;
}

/** Notes that a workflow has the request, where it then waits before it plans. */
export const pickUp = (ctx: WorkerContext, { requestId }: MessageRequest) => notePickedUp(ctx.db, requestId);

/**
 * Notes that a workflow has the request, and stores one message per channel that is to hear of it; answers those that
 * are to be sent. Repeating it changes nothing. A resolved message is dropped when the alert came back meanwhile.
 */
export async function planMessages(
  ctx: WorkerContext & { alerting: Alerting },
  { requestId, alertId, kind }: MessageRequest,
): Promise<PlannedMessage[]> {
  return inTransaction(ctx, async ({ db }) => {
    const request = await findRequest(db, requestId);
    const alert = await findAlert(db, alertId);
    if (!request || !alert) return [];
    await notePickedUp(db, requestId);
    const isTest = alert.code === "alert.test";
    if (!isTest && (await isQuiet({ ...ctx, db }))) return [];
    if (await isPast(db, kind, alert, request.createdAt)) return [];
    if (ctx.alerting.channels.length === 0) sayOnce(ctx.log);
    const channels = ctx.alerting.channels
      .map((one) => one.id)
      .filter((id) => !(alert.code === "channel.disabled" && alert.subject === id));
    const disabled = isTest ? new Set<string>() : await disabledChannels(db);
    const refused = { channels: disabled, reason: CHANNEL_DISABLED };
    await insertNotifications(db, { requestId, alertId, kind }, channels, refused);
    const messages = await notificationsOfRequest(db, requestId);
    return messages
      .filter((one) => one.deliveredAt === null && one.givenUpAt === null)
      .map(({ id, channel }) => ({ id, channel, isTest }));
  });
}

/** Whether a message would no longer be true: a resolved one when the trouble is back, a reminder when nobody waits. */
async function isPast(db: Db, kind: NotificationKind, alert: AlertRow, askedAt: Date): Promise<boolean> {
  if (kind === "reminded") return alert.resolvedAt !== null || alert.acknowledgedAt !== null;
  if (kind === "raised") return false;
  // Resolved again after this was asked for means that another request waits for that.
  if (alert.resolvedAt === null || alert.resolvedAt > askedAt) return true;
  return hasOpenAlert(db, alert.code, alert.subject);
}

let isSaid = false;

function sayOnce(log: Logger): void {
  if (!isSaid) log.warn("alerts go nowhere: set SMTP_URL or ALERT_WEBHOOK_URL (docs/ALERTS.md)");
  isSaid = true;
}
