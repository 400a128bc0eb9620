import type { TestApi } from "../../support/api.ts";
import { newId } from "../../support/api.ts";
import type { NewAlert } from "../../../services/alerts/raise.ts";

export const newAlert = (more: Partial<NewAlert> = {}): NewAlert => ({
  code: "job.failed",
  subject: newId("job"),
  severity: "critical",
  message: "It failed. Mend <it> & go on.",
  ...more,
});

/** The alerts of a subject, the oldest first. */
export const alertsOf = (api: TestApi, subject: string) =>
  api.db.rows("app", "select * from alerts where subject = $1 order by id", [subject]);

/** The kinds of message that were asked for about a subject, in order. */
export async function messagesOf(api: TestApi, subject: string): Promise<string[]> {
  const rows = await api.db.rows<{ kind: string }>(
    "app",
    `select r.data ->> 'kind' as kind
     from workflow_requests r join alerts a on a.id = (r.data ->> 'alertId')::uuid
     where r.event_name = 'audit/alert.notify' and a.subject = $1
     order by r.created_at`,
    [subject],
  );
  return rows.map((row) => row.kind);
}

/** As if so much time had passed since the alerts of a subject were raised, told and resolved. */
export const pass = (api: TestApi, subject: string, interval: string) =>
  api.db.asOwner(
    `update alerts set
       raised_at = raised_at - $2::interval, last_raised_at = last_raised_at - $2::interval,
       notified_at = notified_at - $2::interval, resolved_at = resolved_at - $2::interval
     where subject = $1`,
    [subject, interval],
  );
