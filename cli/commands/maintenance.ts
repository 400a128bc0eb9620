import { Command } from "commander";
import { z } from "zod";
import { connect, type Db } from "../../db/client.ts";
import {
  actAsOwner,
  dropIndexConcurrently,
  indexStates,
  reindexConcurrently,
  type IndexState,
} from "../../db/queries/indexes.ts";
import { logServiceEvent } from "../../services/events/log-service-event.ts";
import { postgresError } from "../../services/postgres-errors.ts";
import { check } from "../check.ts";
import { withOperator } from "../operator.ts";
import { progressBar } from "../progress.ts";
import { databaseUrl } from "../settings.ts";

const BYTES_PER_MB = 1_048_576;
const HOURS_MAX = 24;
const MS_PER_H = 3_600_000;

const options = z.object({
  bloat: z.coerce.number().min(0).max(100),
  minMb: z.coerce.number().min(0),
  table: z.string().optional(),
  all: z.boolean().default(false),
  dryRun: z.boolean().default(false),
});
type Options = z.output<typeof options>;

const LOCKS = `
What it locks: each index is rebuilt by REINDEX INDEX CONCURRENTLY.
Reads and writes go on. While one is rebuilt its table takes no other change of
its structure (months are not attached, detached or moved, VACUUM passes it by),
and it waits for every transaction of the whole database that is older than
itself: end long ones first. It needs room for a second copy of the index.
Broken off, it leaves an invalid index behind, which the next call drops.`;

export function maintenanceCommand(): Command {
  const command = new Command("maintenance").description("What is done by hand, now and then.");
  command
    .command("reindex")
    .description(
      "Rebuild the indexes of the schema audit that are invalid, or of which too much is estimated to be empty. MIGRATE_DATABASE_URL must not be a pooled one.",
    )
    .option("--bloat <percent>", "rebuild what is at least so empty", "40")
    .option("--min-mb <n>", "leave smaller ones alone, unless they are invalid", "10")
    .option("--table <name>", "only those of one table or month: audit_events_2026_01")
    .option("--all", "rebuild every one")
    .option("--dry-run", "say which, and do nothing")
    .addHelpText("after", LOCKS)
    .action(async (given: unknown) => {
      const chosen = check(options, given);
      const url = databaseUrl("MIGRATE_DATABASE_URL");
      const database = connect(url, { queryTimeoutMs: HOURS_MAX * MS_PER_H });
      try {
        await actAsOwner(database.db);
        if (!(await reindex(database.db, chosen))) process.exitCode = 1;
      } finally {
        await database.close();
      }
    });
  return command;
}

/** Rebuilds what was chosen, one after the other; answers whether all went well. */
async function reindex(db: Db, { bloat, minMb, table, all, dryRun }: Options): Promise<boolean> {
  const ofTable = (await indexStates(db)).filter((one) => table === undefined || one.table === table);
  const isDue = (one: IndexState) =>
    all ||
    !one.isValid ||
    (one.bytes >= minMb * BYTES_PER_MB && one.bloat !== null && one.bloat * 100 >= bloat);
  const due = ofTable.filter(isDue);
  if (table !== undefined && ofTable.length === 0)
    throw new Error(`${table} is no table of the schema audit with an index.`);
  if (due.length === 0) {
    console.log(`None of ${ofTable.length} indexes needs it; --all rebuilds every one.`);
    return true;
  }
  if (dryRun) {
    console.log(
      due.map((one) => `${one.isLeftOver ? "would drop" : "would rebuild"} ${inWords(one)}`).join("\n"),
    );
    return true;
  }
  return rebuildAll(db, due);
}

async function rebuildAll(db: Db, due: IndexState[]): Promise<boolean> {
  await note("REINDEX", { indexes: due.map(({ name }) => name) });
  const bar = progressBar(`Rebuilding ${due.length} indexes …`, due.length);
  const failed: { name: string; code: string; message: string }[] = [];
  for (const one of due) {
    try {
      await (one.isLeftOver ? dropIndexConcurrently(db, one.name) : reindexConcurrently(db, one.name));
    } catch (error) {
      const refused = postgresError(error);
      if (refused === null) throw error;
      failed.push({ name: one.name, code: refused.code, message: refused.message });
    }
    bar.advance(1);
  }
  const after = new Map((await indexStates(db)).map((one) => [one.name, one.bytes]));
  const saved = due.reduce((sum, one) => sum + one.bytes - (after.get(one.name) ?? 0), 0);
  const done = due.length - failed.length;
  const failures = failed.map(({ name, code }) => ({ index: name, code }));
  await note("REINDEX_ENDED", { rebuilt: done, failed: failures, bytesFreed: Math.max(0, saved) });
  bar.done(`${done} of ${due.length} rebuilt; ${Math.max(0, saved / BYTES_PER_MB).toFixed(1)} MB freed.`);
  for (const { name, code, message } of failed) console.log(`FAIL  ${name}: ${message} (${code})`);
  return failed.length === 0;
}

const note = (actionType: string, newValues: Record<string, unknown>) =>
  withOperator((ctx) => logServiceEvent(ctx, actionType, "database", "audit", { newValues }));

function inWords({ name, bytes, isValid, bloat }: IndexState): string {
  const state = isValid ? (bloat === null ? "no estimate" : `${Math.round(bloat * 100)} % empty`) : "invalid";
  return `${name} (${(bytes / BYTES_PER_MB).toFixed(1)} MB, ${state})`;
}
