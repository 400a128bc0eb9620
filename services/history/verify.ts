import type { Db } from "../../db/client.ts";
import {
  countRecords,
  historyBreaks,
  newestRecords,
  recordsAfter,
  verifiableTables,
  type HistoryBreak,
  type VerifiableTable,
} from "../../db/queries/history-verify.ts";
import { invalidField } from "../errors.ts";

/** Entries whose records one statement checks; it may take 60 s (audit_worker's statement_timeout), and takes about one. */
const BATCH_ENTRIES = 20_000;
/** Each table is a statement of some milliseconds. */
const SAMPLE_TABLES_MAX = 20;

export type { VerifiableTable };
export type FoundBreak = HistoryBreak & { table: string };

/** What was looked at, and where a history cannot be followed. */
export interface Verification {
  records: number;
  breaks: FoundBreak[];
  /** Tracked tables that the role may not read, so that nothing can be said of them. */
  unreadable: string[];
}

/** The tracked tables of these names (`schema.name`), or all; throws `invalid_request` for one that is not tracked. */
export async function tablesToVerify(db: Db, names: string[]): Promise<VerifiableTable[]> {
  const tables = await verifiableTables(db);
  const unknown = names.find((name) => tables.every((table) => table.name !== name));
  if (unknown !== undefined) {
    throw invalidField("tables", "not_tracked", `${unknown} is not tracked. Name it as schema.name.`);
  }
  return names.length === 0 ? tables : tables.filter((table) => names.includes(table.name));
}

/**
 * Checks every record of a table, as audit_worker, a batch at a time: whether each entry found the record as the entry
 * before left it, and whether the row of today is as the last one left it. A batch is of one moment.
 */
export async function* verifyTable(db: Db, table: VerifiableTable): AsyncGenerator<Verification> {
  if (!table.isReadable) return yield { records: 0, breaks: [], unreadable: [table.name] };
  let records = await recordsAfter(db, table, null, BATCH_ENTRIES);
  while (records.length > 0) {
    yield { records: records.length, breaks: await breaksOf(db, table, records), unreadable: [] };
    records = await recordsAfter(db, table, records.at(-1) as string, BATCH_ENTRIES);
  }
}

/** How many records there are to check: what a progress bar counts up to. */
export const recordsToVerify = (db: Db, table: VerifiableTable): Promise<number> =>
  table.isReadable ? countRecords(db, table) : Promise.resolve(0);

/**
 * The same for the newest `entries` entries of these tables, and only these: a record may have millions of older ones. A
 * break is looked at again with the whole history of its record.
 */
export async function verifySample(
  db: Db,
  tables: VerifiableTable[],
  entries: number,
): Promise<Verification> {
  const unreadable = tables.filter((table) => !table.isReadable).map((table) => table.name);
  const sample: Verification = { records: 0, breaks: [], unreadable };
  const readable = new Map(tables.filter((one) => one.isReadable).map((one) => [one.name, one]));
  const limits = { entries, tables: SAMPLE_TABLES_MAX };
  for (const { name, recordIds, since } of await newestRecords(db, [...readable.values()], limits)) {
    const table = readable.get(name) as VerifiableTable;
    const suspects = new Set((await breaksOf(db, table, recordIds, since)).map((one) => one.recordId));
    sample.records += recordIds.length;
    if (suspects.size > 0) sample.breaks.push(...(await breaksOf(db, table, [...suspects])));
  }
  return sample;
}

async function breaksOf(
  db: Db,
  table: VerifiableTable,
  recordIds: string[],
  since?: string,
): Promise<FoundBreak[]> {
  const breaks = await historyBreaks(db, table, recordIds, since);
  return breaks.map((one) => ({ ...one, table: table.name }));
}

const EXPLAINED = {
  off: "Capture was switched off meanwhile; what happened then is not known.",
  error: "A change could not be recorded meanwhile (on_error is warn); what it was is not known.",
  columns: "The column was altered in between, which rewrote its values; nothing is lost.",
} as const;

const NOTE_IT = "When it is known, note the gap (docs/ALERTS.md, capture.broken).";
const ADVICE = {
  gap: `The row came or went unrecorded before this entry, or an entry was removed. Find out whether triggers were off. ${NOTE_IT}`,
  image: `The row changed unrecorded before this entry, or an entry was altered or removed. Find out whether triggers were off, or the column was ignored then. ${NOTE_IT}`,
  live: `The row changed unrecorded after this entry, or an entry was altered or removed. Find out whether triggers were off. ${NOTE_IT}`,
  order:
    "A trigger of the table changes the row that is just being changed, and the inner change is recorded first. Make it a BEFORE trigger. The images are all there.",
} as const;

/** What a break means and what to do about it, for people. */
export const advice = ({ kind, explainedBy }: HistoryBreak): string =>
  explainedBy === null ? ADVICE[kind] : EXPLAINED[explainedBy];
