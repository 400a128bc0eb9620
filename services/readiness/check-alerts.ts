import type { Db } from "../../db/client.ts";
import { disabledChannels } from "../../db/queries/notifications.ts";
import { openAlertCount } from "../../db/queries/readiness.ts";
import { kindOf } from "../alerts/channels.ts";
import { ok, type Verdict } from "./verdict.ts";

export async function checkAlerts(db: Db): Promise<Verdict> {
  const count = await openAlertCount(db);
  if (count === 0) return ok("none open");
  return {
    status: "warn",
    detail: `${count} open.`,
    action: "GET /api/alerts, or: npx afterimage alerts list",
  };
}

export async function checkChannels(db: Db, configured: readonly string[] | null): Promise<Verdict> {
  if (configured?.length === 0) {
    return {
      status: "warn",
      detail: "Alerts go nowhere.",
      action:
        "Set SMTP_URL or ALERT_WEBHOOK_URL with what belongs to it (docs/ALERTS.md), then: npx afterimage alerts test",
    };
  }
  const kinds = (ids: readonly string[]) => [...new Set(ids.map(kindOf))].join(", ");
  const disabled = [...(await disabledChannels(db))].filter((id) => configured?.includes(id) ?? true);
  if (disabled.length > 0) {
    return {
      status: "warn",
      detail: `Disabled, because nothing arrived: ${kinds(disabled)}.`,
      action: "Mend it, then: npx afterimage alerts test",
      forOperator: { detail: `Disabled, because nothing arrived: ${disabled.join(", ")}.` },
    };
  }
  return ok(configured ? `alerts go out by ${kinds(configured)}` : "none is disabled");
}
