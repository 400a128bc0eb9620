import { Command } from "commander";
import shipped from "../../afterimage.config.ts";
import { connect, WORKER_QUERY_TIMEOUT_MS } from "../../db/client.ts";
import { localConfig } from "../../local/config.ts";
import { COUNT_MAX } from "../../services/cleanup/begin-rule.ts";
import { previewCleanup, type RulePreview } from "../../services/cleanup/preview.ts";
import { databaseUrl } from "../settings.ts";

const MEANINGS: Record<string, string> = {
  cascade: "rows that reference them go with them",
  "set null": "rows that reference them stay, with null in their place",
  "set default": "rows that reference them stay, with the default in their place",
  restrict: "rows that are referenced from there stay, and are counted as kept",
};

export function retentionCommand(): Command {
  const command = new Command("retention").description(
    "Look at the rules by which retention-cleanup deletes old rows of the application's tables.",
  );
  command
    .command("preview")
    .description(
      "Say what each rule of afterimage.config.ts would delete now. Deletes nothing. Ends with 1 when a rule does not fit the database. Uses WORKER_DATABASE_URL.",
    )
    .option("--config <file>", "another file of the same form, to try rules before they are deployed")
    .option("--json", "as JSON")
    .action(async ({ config: file, json = false }: { config?: string; json?: boolean }) => {
      const worker = connect(databaseUrl("WORKER_DATABASE_URL"), { queryTimeoutMs: WORKER_QUERY_TIMEOUT_MS });
      try {
        const config = (await localConfig(file)) ?? shipped;
        const previews = await previewCleanup(worker.db, config);
        if (json) console.log(JSON.stringify(previews, null, 2));
        else if (previews.length === 0)
          console.log("There are no rules: see `retention` in docs/CLEANUP.md.");
        else console.log(previews.map(inWords).join("\n\n"));
        if (previews.some((one) => one.faults.length > 0)) process.exitCode = 1;
      } finally {
        await worker.close();
      }
    });
  return command;
}

function inWords(preview: RulePreview): string {
  const { rule, table, faults, dueCount, oldest, wouldDelete, isTracked, children } = preview;
  if (faults.length > 0) return [rule, ...faults.map((fault) => `  FAIL  ${table} ${fault}`)].join("\n");
  const due = dueCount < COUNT_MAX ? String(dueCount) : `more than ${COUNT_MAX - 1}`;
  const lines = [
    `due now: ${due}${oldest === null ? "" : `, the oldest of ${oldest}`}`,
    `a run would delete: ${wouldDelete < dueCount ? `${wouldDelete}, and leave the rest to the next` : wouldDelete}`,
    isTracked
      ? "tracked: a restore can bring them back as long as the row history is kept; the next run deletes them again, unless the rule or the rows change"
      : `not tracked: they are gone for good; npx afterimage track ${table} records them from then on`,
    ...children.map(
      (child) =>
        `${child.table} (${child.constraint}): ${MEANINGS[child.onDelete]}${child.onDelete === "cascade" && !child.isTracked ? ", for good: it is not tracked" : ""}`,
    ),
  ];
  return [rule, ...lines.map((line) => `  ${line}`)].join("\n");
}
