import { z } from "zod";
import type { AlertRow } from "../../db/queries/alerts.ts";
import type { NotificationRow } from "../../db/queries/notifications.ts";
import { docsLink } from "./codes.ts";

export const alertStatus = z.enum(["open", "acknowledged", "resolved"]);
export const severity = z.enum(["warning", "critical"]);

const messageState = z.enum(["waiting", "delivered", "given up"]);

/** How the newest message about an alert fares on a channel. */
const channelState = z.object({
  channel: z.string().describe("`mail`, or `webhook:` and the digest of its URL."),
  kind: z.enum(["raised", "reminded", "resolved"]),
  state: messageState,
});

export const alert = z
  .object({
    id: z.string(),
    code: z.string(),
    subject: z.string().describe("What it is about: one alert per code and subject is open at a time."),
    severity,
    status: alertStatus,
    message: z.string().describe("What is wrong and what to do."),
    details: z.record(z.string(), z.unknown()),
    docs: z.string().describe("Where the code is explained."),
    raisedAt: z.string(),
    lastRaisedAt: z.string(),
    raiseCount: z.int(),
    acknowledgedAt: z.string().nullable(),
    acknowledgedByUserId: z.string().nullable(),
    resolvedAt: z.string().nullable(),
  })
  .meta({ id: "Alert" });
export type Alert = z.infer<typeof alert>;

export const alertInList = alert.extend({ channels: z.array(channelState) });
export type AlertInList = z.infer<typeof alertInList>;

const notification = z.object({
  id: z.string().describe("The `webhook-id` that the receiver saw."),
  channel: z.string(),
  kind: z.enum(["raised", "reminded", "resolved"]),
  state: messageState,
  createdAt: z.string(),
  attempts: z.int(),
  lastAttemptAt: z.string().nullable(),
  lastError: z.string().nullable(),
  deliveredAt: z.string().nullable(),
  givenUpAt: z.string().nullable(),
});

export const alertInFull = alert.extend({ notifications: z.array(notification) });
export type AlertInFull = z.infer<typeof alertInFull>;

export function toAlert(row: AlertRow, docsUrl: string): Alert {
  const { notifiedAt: _, ...shown } = row;
  return {
    ...shown,
    status: row.resolvedAt ? "resolved" : row.acknowledgedAt ? "acknowledged" : "open",
    details: row.details as Record<string, unknown>,
    docs: docsLink(docsUrl, row.code),
    raisedAt: row.raisedAt.toISOString(),
    lastRaisedAt: row.lastRaisedAt.toISOString(),
    acknowledgedAt: row.acknowledgedAt?.toISOString() ?? null,
    resolvedAt: row.resolvedAt?.toISOString() ?? null,
  };
}

const stateOf = (row: NotificationRow) =>
  row.deliveredAt ? "delivered" : row.givenUpAt ? "given up" : "waiting";

export const toChannelState = (row: NotificationRow): z.infer<typeof channelState> => ({
  channel: row.channel,
  kind: row.kind,
  state: stateOf(row),
});

export function toNotification(row: NotificationRow): z.infer<typeof notification> {
  const { alertId: _alert, requestId: _request, ...shown } = row;
  return {
    ...shown,
    state: stateOf(row),
    createdAt: row.createdAt.toISOString(),
    lastAttemptAt: row.lastAttemptAt?.toISOString() ?? null,
    deliveredAt: row.deliveredAt?.toISOString() ?? null,
    givenUpAt: row.givenUpAt?.toISOString() ?? null,
  };
}
