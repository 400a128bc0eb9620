import { Command } from "commander";
import path from "node:path";
import type { Context } from "../../services/context.ts";
import { importEvents, type PastEvent } from "../../services/events/import.ts";
import { beginImport, endImport, isImportKnown } from "../../services/imports/log.ts";
import { importTrails, type PastTrail } from "../../services/trails/import.ts";
import type { ImportLog } from "../import/journal.ts";
import { fields, toEvent, toTrail } from "../import/parse.ts";
import { runImport, type Importer } from "../import/run.ts";
import { withOperator } from "../operator.ts";
import { databasePlace } from "../settings.ts";

export function importCommand(): Command {
  const command = new Command("import").description(
    "Store what another store held, from a file of one JSON object a line. The same command goes on where one before it ended, and stores nothing twice. Ends with 1 when a line was rejected.",
  );
  command
    .command("trails <file>")
    .description(
      "Import message trails. What the application has stored stays, unless it is a placeholder, or failed and complete in the file; what an import brought before is brought up to date.",
    )
    .option("--project <id>", "the project of lines that name none")
    .action((file: string, { project }: { project?: string }) =>
      run<PastTrail>(file, (ctx) => ({
        kind: "trails",
        parse: (text) => toTrail(fields(text), project),
        key: ({ projectId, messageId }) => JSON.stringify([projectId, messageId]),
        store: (trails) => importTrails(ctx, trails),
        log: logOf(ctx, "trails", { file: path.basename(file), project: project ?? null }),
      })),
    );
  command
    .command("events <file>")
    .description("Import workspace events, tagged as imported; their own time becomes occurredAt.")
    .action((file: string) =>
      run<PastEvent>(file, (ctx) => ({
        kind: "events",
        parse: toEvent,
        key: ({ workspaceId, eventId }) => JSON.stringify([workspaceId, eventId]),
        store: (events) => importEvents(ctx, events),
        log: logOf(ctx, "events", { file: path.basename(file) }),
      })),
    );
  return command;
}

const run = <T>(file: string, importer: (ctx: Context) => Importer<T>) =>
  withOperator(async (ctx) => {
    const { rejected } = await runImport(file, importer(ctx));
    if (rejected > 0) process.exitCode = 1;
  });

const logOf = (ctx: Context, kind: "trails" | "events", what: Record<string, unknown>): ImportLog => ({
  target: JSON.stringify([databasePlace(), what]),
  begin: () => beginImport(ctx, kind, what),
  isKnown: (id) => isImportKnown(ctx, id),
  end: (id, counts) => endImport(ctx, kind, id, { ...what, ...counts }),
});
