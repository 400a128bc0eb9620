import { sql } from "drizzle-orm";
import { check, index, integer, jsonb, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import { audit, createdAt, instant } from "./common.ts";

/** What an operator must know; an open alert is raised again, not twice. */
export const alerts = audit.table(
  "alerts",
  {
    id: uuid("id")
      .primaryKey()
      .default(sql`audit.uuid_v7()`),
    code: text("code").notNull(),
    subject: text("subject").notNull(),
    severity: text("severity", { enum: ["warning", "critical"] }).notNull(),
    message: text("message").notNull(),
    details: jsonb("details").notNull().default({}),
    raisedAt: instant("raised_at")
      .notNull()
      .default(sql`clock_timestamp()`),
    lastRaisedAt: instant("last_raised_at")
      .notNull()
      .default(sql`clock_timestamp()`),
    raiseCount: integer("raise_count").notNull().default(1),
    notifiedAt: instant("notified_at"),
    acknowledgedAt: instant("acknowledged_at"),
    acknowledgedByUserId: text("acknowledged_by_user_id"),
    resolvedAt: instant("resolved_at"),
  },
  (t) => [
    uniqueIndex("alerts_open")
      .on(t.code, t.subject)
      .where(sql`resolved_at is null`),
    index("alerts_raised_at").on(t.raisedAt),
    check("check_alert_severity", sql`severity in ('warning', 'critical')`),
  ],
);

/** Where alerts go: `mail`, or `webhook:` and the digest of its URL. A row says how a channel has done so far. */
export const alertChannels = audit.table("alert_channels", {
  channel: text("channel").primaryKey(),
  lastDeliveredAt: instant("last_delivered_at"),
  failingSince: instant("failing_since"),
  lastError: text("last_error"),
  disabledAt: instant("disabled_at"),
});

/** One message about an alert to one channel, with its attempts; its id is the one that a receiver sees. */
export const alertNotifications = audit.table(
  "alert_notifications",
  {
    id: uuid("id")
      .primaryKey()
      .default(sql`audit.uuid_v7()`),
    requestId: uuid("request_id").notNull(),
    channel: text("channel").notNull(),
    alertId: uuid("alert_id")
      .notNull()
      .references(() => alerts.id),
    kind: text("kind", { enum: ["raised", "reminded", "resolved"] }).notNull(),
    createdAt: createdAt(),
    attempts: integer("attempts").notNull().default(0),
    lastAttemptAt: instant("last_attempt_at"),
    lastError: text("last_error"),
    deliveredAt: instant("delivered_at"),
    givenUpAt: instant("given_up_at"),
  },
  (t) => [
    uniqueIndex("alert_notifications_once").on(t.requestId, t.channel),
    index("alert_notifications_alert").on(t.alertId, t.createdAt),
    check("check_notification_kind", sql`kind in ('raised', 'reminded', 'resolved')`),
  ],
);
