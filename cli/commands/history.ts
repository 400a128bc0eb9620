import { Command } from "commander";
import { z } from "zod";
import { connect, WORKER_QUERY_TIMEOUT_MS, type Db } from "../../db/client.ts";
import {
  advice,
  recordsToVerify,
  tablesToVerify,
  verifySample,
  verifyTable,
  type FoundBreak,
  type Verification,
  type VerifiableTable,
} from "../../services/history/verify.ts";
import { check } from "../check.ts";
import { progressBar } from "../progress.ts";
import { databaseUrl } from "../settings.ts";

const SHOWN_MAX = 1_000;
const sampled = z.object({ sample: z.coerce.number().int().min(1).max(100_000).optional() });

export function historyCommand(): Command {
  const command = new Command("history").description("Look after the row history.");
  command
    .command("verify")
    .description(
      "Check that every record can be rebuilt at every point since its table is tracked, and is today as its history says. Changes nothing. Ends with 1 where it is not so and nothing explains it. Uses WORKER_DATABASE_URL.",
    )
    .argument("[tables...]", "as schema.name (default: all that are tracked)")
    .option("--sample <n>", "only the records of the newest n entries")
    .action(async (names: string[], options: { sample?: string }) => {
      const { sample } = check(sampled, options);
      const worker = connect(databaseUrl("WORKER_DATABASE_URL"), { queryTimeoutMs: WORKER_QUERY_TIMEOUT_MS });
      try {
        const isWhole = await verify(worker.db, names, sample);
        if (!isWhole) process.exitCode = 1;
      } finally {
        await worker.close();
      }
    });
  return command;
}

/** Checks and shows; answers whether all could be read and nothing is unexplained. */
async function verify(db: Db, names: string[], sample: number | undefined): Promise<boolean> {
  const tables = await tablesToVerify(db, names);
  const total = { records: 0, breaks: 0, open: 0, unreadable: 0 };
  const show = (found: Verification) => {
    for (const one of found.breaks.slice(0, Math.max(0, SHOWN_MAX - total.breaks))) console.log(inWords(one));
    for (const table of found.unreadable) {
      console.log(`FAIL  ${table} cannot be read.\n      → As its owner run: npx afterimage track ${table}`);
    }
    total.records += found.records;
    total.breaks += found.breaks.length;
    total.open += found.breaks.filter((one) => one.explainedBy === null).length;
    total.unreadable += found.unreadable.length;
  };
  if (sample === undefined) {
    for (const table of tables) await verifyWhole(db, table, show);
  } else {
    show(await verifySample(db, tables, sample));
  }
  if (total.breaks > SHOWN_MAX) console.log(`… and ${total.breaks - SHOWN_MAX} more.`);
  console.log(
    `${counted(total.records, "record")} of ${counted(tables.length, "table")} checked: ${counted(total.breaks, "break")}, ${total.open} unexplained.`,
  );
  return total.open === 0 && total.unreadable === 0;
}

async function verifyWhole(db: Db, table: VerifiableTable, show: (found: Verification) => void) {
  const bar = progressBar(`Verifying ${table.name} …`, Math.max(1, await recordsToVerify(db, table)));
  let breaks = 0;
  for await (const found of verifyTable(db, table)) {
    show(found);
    breaks += found.breaks.length;
    bar.advance(found.records);
  }
  bar.done(`${table.name}: ${counted(breaks, "break")}`);
}

const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? "" : "s"}`;

function inWords(one: FoundBreak): string {
  const { table, recordId, entryId, kind, fields, explainedBy } = one;
  const where = `${table} ${recordId}, entry ${entryId}`;
  const what = fields ? `${kind} (${fields.join(", ")})` : kind;
  return `${explainedBy === null ? "FAIL" : "ok  "}  ${where}: ${what}\n      → ${advice(one)}`;
}
