import { z } from "zod";
import { findAlert, listAlerts as queryAlerts } from "../../db/queries/alerts.ts";
import { lastNotifications, notificationsOfAlert } from "../../db/queries/notifications.ts";
import { requireOperator, type Context } from "../context.ts";
import { decodeCursor, encodeCursor, UUID_SHAPE } from "../cursor.ts";
import { notFound } from "../errors.ts";
import { limit } from "../inputs.ts";
import {
  alertStatus,
  severity,
  toAlert,
  toChannelState,
  toNotification,
  type AlertInFull,
  type AlertInList,
} from "./alert.ts";

const NOTIFICATIONS_SHOWN = 100;

export const alertFilter = z.strictObject({
  status: alertStatus.optional(),
  code: z
    .string()
    .regex(/^[a-z][a-z.]{0,49}$/, "must be a code such as job.failed")
    .optional(),
  severity: severity.optional(),
  limit,
  cursor: z.string().optional(),
});
type AlertFilter = z.infer<typeof alertFilter>;

/** Alerts, newest first, each with how its newest message fares on each channel. */
export async function listAlerts(
  ctx: Context,
  input: AlertFilter,
  docsUrl: string,
): Promise<{ items: AlertInList[]; nextCursor: string | null }> {
  requireOperator(ctx, "alerts:read");
  const { status, code, severity: level } = input;
  const filters = { list: "alerts", status, code, severity: level };
  const position = decodeCursor(input.cursor, filters, [UUID_SHAPE]);
  const rows = await queryAlerts(ctx.db, {
    status,
    code,
    severity: level,
    before: position?.[0],
    limit: input.limit + 1,
  });
  const shown = rows.slice(0, input.limit);
  const messages = await lastNotifications(
    ctx.db,
    shown.map((row) => row.id),
  );
  const last = rows.length > input.limit ? shown.at(-1) : undefined;
  return {
    items: shown.map((row) => ({
      ...toAlert(row, docsUrl),
      channels: messages.filter((one) => one.alertId === row.id).map(toChannelState),
    })),
    nextCursor: last ? encodeCursor([last.id], filters) : null,
  };
}

/** One alert with its last 100 messages, newest first. */
export async function getAlert(ctx: Context, id: string, docsUrl: string): Promise<AlertInFull> {
  requireOperator(ctx, "alerts:read");
  const row = await findAlert(ctx.db, id);
  if (!row) throw notFound("alert");
  const messages = await notificationsOfAlert(ctx.db, id, NOTIFICATIONS_SHOWN);
  return { ...toAlert(row, docsUrl), notifications: messages.map(toNotification) };
}
