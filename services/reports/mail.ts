import { findReport, noteMailed } from "../../db/queries/reports.ts";
import type { Alerting } from "../alerts/channels.ts";
import { inHtml } from "../alerts/message.ts";
import type { WorkerContext } from "../context.ts";
import { isQuiet } from "../quiet.ts";
import { toReport, type WeeklyReport } from "./weekly.ts";

const SECURITY_SHOWN = 20;
const PARTITIONS_SHOWN = 12;
const BYTES_PER_MB = 1_048_576;

/**
 * Mails a stored report to those who get the alerts, once; a mail that is sent again keeps its Message-ID. False where no mail
 * is set up, or none may go out. Throws a DeliveryError when it is not accepted.
 */
export async function mailWeek(
  ctx: WorkerContext & { alerting: Alerting },
  week: string,
): Promise<{ mailed: boolean }> {
  const row = await findReport(ctx.db, week);
  if (!row || ctx.alerting.mail === null || (await isQuiet(ctx))) return { mailed: false };
  if (row.mailedAt === null) {
    await ctx.alerting.mail(row.id, toMail(toReport(row)));
    await noteMailed(ctx.db, week);
  }
  return { mailed: true };
}

type Section = [title: string, lines: [name: string, value: string][]];

/** The report as a mail, in text and in HTML. */
function toMail(report: WeeklyReport): { subject: string; text: string; html: string } {
  const { week, security } = report;
  const sections = sectionsOf(report);
  const subject = `[Afterimage] week ${week}: ${report.events} events, ${security.events} of security`;
  const lead = `Week ${week}, ${day(report.startsAt)} to ${day(report.byDay.at(-1)?.day ?? report.endsAt)} (UTC). The whole: GET /api/reports/weekly/${week}`;
  const text = sections.map(([title, lines]) =>
    [title, ...lines.map(([name, value]) => `  ${name}: ${value}`)].join("\n"),
  );
  const html = sections.map(
    ([title, lines]) =>
      `<h3>${inHtml(title)}</h3><table>${lines.map(([name, value]) => `<tr><th align="left">${inHtml(name)}</th><td>${inHtml(value)}</td></tr>`).join("")}</table>`,
  );
  return { subject, text: [lead, ...text, ""].join("\n\n"), html: `<p>${inHtml(lead)}</p>${html.join("")}` };
}

function sectionsOf({
  byAction,
  otherActions,
  byUser,
  security,
  byDay,
  partitions,
}: WeeklyReport): Section[] {
  const others: Section[1] = otherActions > 0 ? [["all others", String(otherActions)]] : [];
  const newest = partitions.toSorted((a, b) => b.bytes - a.bytes).slice(0, PARTITIONS_SHOWN);
  return [
    ["Events per day (row history)", byDay.map((one) => [one.day, `${one.events} (${one.historyEntries})`])],
    [
      "Activity",
      [...byAction.map((one): [string, string] => [one.actionType, String(one.count)]), ...others],
    ],
    ["Most active users", byUser.map((one) => [one.userId, String(one.count)])],
    [
      `Security events (${security.events})`,
      security.latest
        .slice(0, SECURITY_SHOWN)
        .map((one) => [
          `${one.createdAt} ${one.actionType}`,
          `${one.resourceType} ${one.resourceId} in ${one.workspaceId}, by ${one.userId}`,
        ]),
    ],
    [
      "Largest partitions",
      newest.map((one) => [one.partition, `${(one.bytes / BYTES_PER_MB).toFixed(1)} MB`]),
    ],
  ];
}

const day = (time: string) => time.slice(0, "2026-01-01".length);
