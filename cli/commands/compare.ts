import { Command } from "commander";
import fs from "node:fs";
import { compareTrails } from "../import/compare.ts";
import { withOperator } from "../operator.ts";
import { progressBar } from "../progress.ts";

const SHOWN_MAX = 100;

export function compareCommand(): Command {
  return new Command("compare")
    .description(
      "Compare a file of message trails with what is stored, field by field, in the fields that the file names. Changes nothing. Ends with 1 when something differs, is missing or cannot be read, or when there is nothing in the file.",
    )
    .argument("<file>", "one trail a line, as for import trails")
    .option("--project <id>", "the project of lines that name none")
    .action((file: string, { project }: { project?: string }) =>
      withOperator(async (ctx) => {
        const bar = progressBar(`Comparing ${file}`, Math.max(1, fs.statSync(file).size));
        const shown: string[] = [];
        let more = 0;
        const { equal, different, missing, unreadable } = await compareTrails(ctx, file, project, {
          advance: (bytes) => bar.advance(bytes),
          finding: (text) => void (shown.length < SHOWN_MAX ? shown.push(text) : more++),
        });
        const total = equal + different + missing + unreadable;
        bar.done(
          `${total} trails: ${equal} equal, ${different} different, ${missing} missing, ${unreadable} unreadable.`,
        );
        for (const text of shown) console.log(text);
        if (more > 0) console.log(`… and ${more} more.`);
        if (total > equal || total === 0) process.exitCode = 1;
      }),
    );
}
