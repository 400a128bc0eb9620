import fs from "node:fs";
import { Command, Option } from "commander";
import { connect, type Db } from "../../db/client.ts";
import { switchCapture, trackTable, untrackTable, type TrackOptions } from "../../db/queries/tracking.ts";
import { logServiceEvent } from "../../services/events/log-service-event.ts";
import { createInngest, createSender, type EventSender } from "../../lib/inngest.ts";
import { createLogger } from "../../lib/logger.ts";
import { alertCapture } from "../../services/history/watch-capture.ts";
import { INVALID_NAME, INVALID_SCHEMA_NAME, UNDEFINED_TABLE } from "../../lib/sqlstate.ts";
import { hasSqlstate, postgresError } from "../../services/postgres-errors.ts";
import { lacksSchema } from "../explain.ts";
import { namesIn } from "../names.ts";
import { withOperator } from "../operator.ts";
import { databaseUrl, engineUrl, isQuietHere } from "../settings.ts";

type Flags = {
  exclude?: string;
  redact?: string;
  ignore?: string;
  onError: TrackOptions["onError"];
  asEvents?: string;
};

const AS_EVENTS_HELP = `
The file of --as-events; of insert, update and delete those that are wanted:
  { "resourceType": "workspace",
    "workspaceColumn": "id", "resourceColumn": "id",
    "insert": "CREATE_WORKSPACE", "update": "UPDATE_WORKSPACE",
    "delete": "DELETE_WORKSPACE" }
and for a table of memberships:
  { "resourceType": "membership",
    "workspaceColumn": "workspace_id", "resourceColumn": "user_id",
    "insert": "ADD_MEMBER", "update": "CHANGE_MEMBER",
    "delete": "REMOVE_MEMBER" }`;

export function trackCommand(): Command {
  return new Command("track")
    .description(
      "Record every change of tables from now on. Run it again after columns or partitions changed. The role of MIGRATE_DATABASE_URL must own the tables.",
    )
    .argument("<tables...>", "as schema.name")
    .option("--exclude <columns>", "comma-separated columns that never reach the history")
    .option("--redact <columns>", "columns whose changes are recorded without their values")
    .option("--ignore <columns>", "columns whose changes alone are not recorded")
    .addOption(
      new Option("--on-error <what>", "when a change cannot be recorded: refuse the write, or let it through")
        .choices(["block", "warn"])
        .default("block"),
    )
    .option("--as-events <file>", "JSON that says which workspace events a change also writes (see below)")
    .addHelpText("after", AS_EVENTS_HELP)
    .action(async (tables: string[], flags: Flags) => {
      const options = {
        exclude: namesIn(flags.exclude),
        redact: namesIn(flags.redact),
        ignore: namesIn(flags.ignore),
        onError: flags.onError,
        asEvents: flags.asEvents === undefined ? null : readJson(flags.asEvents),
      };
      await eachTable(tables, "TRACK_TABLE", options, async (db, table) => {
        const count = await trackTable(db, table, options);
        return `Recording ${table}${count > 1 ? ` and ${count - 1} partitions` : ""}.`;
      });
    });
}

export function untrackCommand(): Command {
  return new Command("untrack")
    .description("End the recording of tables; their history stays.")
    .argument("<tables...>", "as schema.name")
    .action((tables: string[]) =>
      eachTable(tables, "UNTRACK_TABLE", {}, async (db, table) => {
        const count = await untrackTable(db, table);
        return count > 0 ? `No longer recording ${table}.` : `${table} was not recorded.`;
      }),
    );
}

export function captureCommand(): Command {
  return new Command("capture")
    .description("The kill switch: off lets all writes through unrecorded and notes the gap, on ends it.")
    .argument("<off|on>")
    .action(async (word: string) => {
      if (word !== "on" && word !== "off") throw new Error(`Say on or off, not ${word}.`);
      await withOperator((ctx) =>
        logServiceEvent(ctx, `SWITCH_CAPTURE_${word.toUpperCase()}`, "database", "audit"),
      );
      await asOwner(async (db) => {
        const count = await switchCapture(db, word === "on");
        console.log(`Recording is ${word}: ${count} tables and partitions changed.`);
      });
      await withOperator(({ db }) => alarm(db));
    });
}

/** Raises or closes capture.off at once; watch-schedules would within 15 minutes, and sends what is not sent here. */
async function alarm(db: Db): Promise<void> {
  const log = createLogger("silent");
  const quiet = isQuietHere();
  // Looks for the engine only when there is a message to send; without one the message waits in the database.
  const send: EventSender = async (events) => createSender(createInngest(log, engineUrl()))(events);
  const { off } = await alertCapture({ db, log, quiet, send });
  if (off > 0 && !quiet) {
    console.log("The alert capture.off is open until: npx afterimage capture on");
  }
}

/** Notes what is about to be done, then does it: the owner of the tables cannot write events as an operator. */
async function eachTable(
  tables: string[],
  actionType: string,
  metadata: Record<string, unknown>,
  act: (db: Db, table: string) => Promise<string>,
): Promise<void> {
  await asOwner(async (db) => {
    for (const table of tables) {
      await withOperator((ctx) => logServiceEvent(ctx, actionType, "table", table, { metadata }));
      console.log(await act(db, table).catch((error: unknown) => refuse(table, error)));
    }
  });
}

/** Postgres names a table that is not there in its own spelling; what was typed helps more. */
function refuse(table: string, error: unknown): never {
  const refused = postgresError(error);
  const isNamedWrongly = hasSqlstate(refused, UNDEFINED_TABLE, INVALID_SCHEMA_NAME, INVALID_NAME);
  if (refused === null || !isNamedWrongly || lacksSchema(refused)) throw error;
  throw new Error(
    `There is no table ${table} in the database of MIGRATE_DATABASE_URL. Name it as schema.name, with quotes where it has capitals ('public."Order"'), and check that the URL names the database of your application.`,
    { cause: error },
  );
}

async function asOwner(act: (db: Db) => Promise<void>): Promise<void> {
  const database = connect(databaseUrl("MIGRATE_DATABASE_URL"));
  try {
    await act(database.db);
  } finally {
    await database.close();
  }
}

function readJson(file: string): unknown {
  const text = fs.readFileSync(file, "utf8");
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${file} is no JSON; see npx afterimage track --help.`);
  }
}
