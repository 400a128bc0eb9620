import type { AlertRow } from "../../db/queries/alerts.ts";
import type { NotificationKind, NotificationRow } from "../../db/queries/notifications.ts";
import { alertCodes, docsLink, isAlertCode } from "./codes.ts";

/** What a channel sends about an alert. */
export interface Message {
  webhook: {
    type: `alert.${NotificationKind}`;
    /** When the message was asked for, ISO 8601: the same however often it is sent. */
    timestamp: string;
    data: Record<string, unknown>;
  };
  mail: { subject: string; text: string; html: string };
}

export function toMessage(
  alert: AlertRow,
  { kind, createdAt }: Pick<NotificationRow, "kind" | "createdAt">,
  docsUrl: string,
): Message {
  const docs = docsLink(docsUrl, alert.code);
  return {
    webhook: {
      type: `alert.${kind}`,
      timestamp: createdAt.toISOString(),
      data: {
        id: alert.id,
        code: alert.code,
        subject: alert.subject,
        severity: alert.severity,
        message: alert.message,
        details: alert.details,
        raisedAt: alert.raisedAt.toISOString(),
        lastRaisedAt: alert.lastRaisedAt.toISOString(),
        raiseCount: alert.raiseCount,
        resolvedAt: alert.resolvedAt?.toISOString() ?? null,
        docs,
      },
    },
    mail: toMail(alert, kind, docs),
  };
}

function toMail(alert: AlertRow, kind: NotificationKind, docs: string): Message["mail"] {
  const meaning = isAlertCode(alert.code) ? alertCodes[alert.code] : alert.code;
  const about = `${alert.code} (${alert.subject})`;
  const state = {
    raised: `${alert.severity}: ${about}`,
    reminded: `still ${alert.severity}: ${about}`,
    resolved: `resolved: ${about}`,
  }[kind];
  const subject = `[Afterimage] ${state}`;
  const lead = kind === "resolved" ? "This is over; nothing is left to do." : alert.message;
  const facts = [
    ["What it means", meaning],
    ["Since", alert.raisedAt.toISOString()],
    ...(alert.raiseCount > 1
      ? [["Raised", `${alert.raiseCount} times, last ${alert.lastRaisedAt.toISOString()}`]]
      : []),
    ...(kind === "resolved" && alert.resolvedAt ? [["Resolved", alert.resolvedAt.toISOString()]] : []),
    ["What to do", docs],
    ["Alert", alert.id],
  ] as [string, string][];
  const text = [lead, "", ...facts.map(([name, value]) => `${name}: ${value}`), ""].join("\n");
  const rows = facts.map(
    ([name, value]) => `<tr><th align="left">${name}</th><td>${inHtml(value)}</td></tr>`,
  );
  return { subject, text, html: `<p>${inHtml(lead)}</p><table>${rows.join("")}</table>` };
}

/** Text as HTML shows it; a URL alone becomes a link. */
export function inHtml(text: string): string {
  const safe = text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
  return /^https?:\/\/\S+$/.test(text) ? `<a href="${safe}">${safe}</a>` : safe;
}
