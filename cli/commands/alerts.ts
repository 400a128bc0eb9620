import { Command } from "commander";
import { z } from "zod";
import { createInngest, createSender } from "../../lib/inngest.ts";
import { createLogger } from "../../lib/logger.ts";
import { acknowledgeAlert } from "../../services/alerts/acknowledge.ts";
import type { AlertInList } from "../../services/alerts/alert.ts";
import { alertFilter, listAlerts } from "../../services/alerts/list.ts";
import { requestTest } from "../../services/alerts/test-channels.ts";
import { byId } from "../by-id.ts";
import { check } from "../check.ts";
import { followTest } from "../follow-test.ts";
import { withOperator } from "../operator.ts";
import { engineUrl } from "../settings.ts";

const waiting = z.object({ wait: z.coerce.number().min(1).max(600) });
const DOCS = "docs/ALERTS.md";
const ALERTS = { what: "alert", listedBy: "npx afterimage alerts list" };
const TIME_CHARACTERS = "2026-01-01T00:00".length;

export function alertsCommand(): Command {
  const command = new Command("alerts").description("Try whether alerts arrive, list and acknowledge them.");
  command
    .command("test")
    .description(
      "Send a test message by every channel of the deployment. Ends with 1 when one does not arrive.",
    )
    .option("--wait <seconds>", "for the workflow engine, and then for the channels", "60")
    .action(({ wait }: { wait: string }) =>
      withOperator(async (ctx) => {
        const { wait: waitS } = check(waiting, { wait });
        const log = createLogger("silent");
        const send = createSender(createInngest(log, engineUrl()));
        const requestId = await requestTest({ db: ctx.db, log, quiet: false, send }, ctx.principal.userId);
        if (!(await followTest(ctx, requestId, waitS))) process.exitCode = 1;
      }),
    );
  command
    .command("list")
    .description("List alerts, newest first.")
    .option("--status <status>", "open, acknowledged or resolved (default: all)")
    .option("--limit <n>", "how many", "50")
    .action(({ status, limit }: { status?: string; limit: string }) =>
      withOperator(async (ctx) => {
        const filter = check(alertFilter, { limit, ...(status ? { status } : {}) });
        const { items, nextCursor } = await listAlerts(ctx, filter, DOCS);
        if (items.length === 0) return console.log("There are none.");
        console.log(items.map(inWords).join("\n"));
        if (nextCursor) console.log(`There are more than ${limit}; raise --limit.`);
      }),
    );
  command
    .command("acknowledge <id>")
    .description("Say that you look after an alert, which ends its reminders.")
    .action((id: string) =>
      withOperator(async (ctx) => {
        const { code, subject } = await byId(ALERTS, id, (one) => acknowledgeAlert(ctx, one, DOCS));
        console.log(`Acknowledged ${code} (${subject}).`);
      }),
    );
  return command;
}

function inWords(alert: AlertInList): string {
  const { id, code, subject, severity, status, message, raiseCount, docs } = alert;
  const since = alert.raisedAt.slice(0, TIME_CHARACTERS);
  return `${id}  ${status.padEnd(12)}  ${severity.padEnd(8)}  ${since}  ×${raiseCount}  ${code} (${subject})
      ${message}
      → ${docs}`;
}
