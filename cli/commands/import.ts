import { Command } from "commander";
import path from "node:path";
import type { Context } from "../../services/context.ts";
import { importEvents } from "../../services/events/import.ts";
import { logServiceEvent } from "../../services/events/log-service-event.ts";
import { importTrails } from "../../services/trails/import.ts";
import type { ImportCounts } from "../import/journal.ts";
import { parseEvent, parseTrail } from "../import/parse.ts";
import { runImport } from "../import/run.ts";
import { withOperator } from "../operator.ts";

export function importCommand(): Command {
  const command = new Command("import").description(
    "Store what another store held, from a file of one JSON object a line. The same command goes on where one before it\nended, and stores nothing twice. Ends with 1 when a line was rejected.",
  );
  command
    .command("trails <file>")
    .description("Import message trails. What is stored already stays, unless it is a placeholder.")
    .option("--project <id>", "the project of lines that name none")
    .action((file: string, { project }: { project?: string }) =>
      withOperator(async (ctx) => {
        const counts = await runImport(file, {
          kind: "trails",
          parse: (text) => parseTrail(text, project),
          key: ({ projectId, messageId }) => JSON.stringify([projectId, messageId]),
          store: async (trails) =>
            (await importTrails(ctx, trails)).map((outcome) =>
              outcome === "project deleted"
                ? { refused: "projectId: this project is being deleted; use another, or wait" }
                : outcome,
            ),
        });
        await conclude(ctx, "trails", file, counts);
      }),
    );
  command
    .command("events <file>")
    .description("Import workspace events, tagged as imported; their own time becomes occurredAt.")
    .action((file: string) =>
      withOperator(async (ctx) => {
        const counts = await runImport(file, {
          kind: "events",
          parse: parseEvent,
          key: ({ workspaceId, eventId }) => JSON.stringify([workspaceId, eventId]),
          store: (events) => importEvents(ctx, events),
        });
        await conclude(ctx, "events", file, counts);
      }),
    );
  return command;
}

async function conclude(ctx: Context, kind: string, file: string, counts: ImportCounts): Promise<void> {
  await logServiceEvent(ctx, `IMPORT_${kind.toUpperCase()}`, "import", kind, {
    metadata: { file: path.basename(file), ...counts },
  });
  if (counts.rejected > 0) process.exitCode = 1;
}
