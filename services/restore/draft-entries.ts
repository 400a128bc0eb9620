import type { Db } from "../../db/client.ts";
import { historyFloor, type HistoryFloor } from "../../db/queries/history-floor.ts";
import type { Draft } from "../../db/queries/restore-draft.ts";
import { invalidField, ServiceError } from "../errors.ts";
import { requireKept, requireWhole } from "../history/floor.ts";
import { tooManyEntries, type Limits } from "./limits.ts";
import { requireColumns, requireValues, trackedTables, type Filter } from "./require-known.ts";
import type { RestoreTarget } from "./target.ts";

/** What else a target says, besides the entries that are drafted. */
interface Asked {
  where: Filter[];
  /** The tables that are asked for by name, and since when their history counts. */
  relations: number[];
  since: Date | null;
}

type RecordTarget = Extract<RestoreTarget, { recordId: string }>;
type ActorTarget = Extract<RestoreTarget, { actor: string }>;
type TablesTarget = Extract<RestoreTarget, { at: Date }>;

const NOTHING_ELSE: Asked = { where: [], relations: [], since: null };

/** Drafts the entries of the history that a target undoes. */
export async function draftEntries(
  tx: Db,
  draft: Draft,
  target: RestoreTarget,
  limits: Limits,
): Promise<Asked> {
  if ("recordId" in target) return draftRecord(tx, draft, target, limits);
  if ("actor" in target) return draftActor(tx, draft, target, limits);
  if ("at" in target) return draftTables(tx, draft, target, limits);
  const floor = await historyFloor(tx);
  requireWhole(floor, target.transactionId);
  const count = await draft.transaction(target.transactionId, limits.entriesMax);
  requireSome(count, "transaction with a history", "body.target.transactionId", { floor, limits });
  return NOTHING_ELSE;
}

async function draftActor(
  tx: Db,
  draft: Draft,
  { actor, from, to, tables: names }: ActorTarget,
  limits: Limits,
): Promise<Asked> {
  if (from >= to) throw invalidField("body.target.to", "before_from", "must be after from");
  const floor = await historyFloor(tx);
  requireKept(floor, from, "the tracked tables");
  const tables = names ? await trackedTables(tx, names, from, "body.target.tables") : null;
  const relations = tables?.map(({ relation }) => relation) ?? null;
  const count = await draft.actor(actor, from, to, relations, limits.entriesMax);
  requireSome(count, "change by this actor in this time", "body.target.actor", { floor, limits });
  return { ...NOTHING_ELSE, relations: relations ?? [], since: from };
}

async function draftTables(
  tx: Db,
  draft: Draft,
  { tables: names, at, where: asked = {} }: TablesTarget,
  limits: Limits,
): Promise<Asked> {
  if (at.getTime() > Date.now()) throw invalidField("body.target.at", "in_future", "must be in the past");
  const tables = await trackedTables(tx, names, at, "body.target.tables");
  const where = Object.entries(asked).map(([column, value]) => ({
    column,
    values: (Array.isArray(value) ? value : [value]).map((one) => (one === null ? null : String(one))),
  }));
  let entries = 0;
  for (const { relation, name } of tables) {
    const columns = where.map(({ column }) => column);
    await requireColumns(tx, relation, name, columns, "body.target.where");
    await requireValues(draft, relation, name, where);
    entries += await draft.since(relation, at, limits.entriesMax - entries);
    if (entries > limits.entriesMax) throw tooManyEntries(limits);
  }
  return { where, relations: tables.map(({ relation }) => relation), since: at };
}

async function draftRecord(
  tx: Db,
  draft: Draft,
  { table: name, recordId, to }: RecordTarget,
  limits: Limits,
): Promise<Asked> {
  const time = to && "time" in to ? to.time : null;
  const entryId = to && "entryId" in to ? to.entryId : null;
  const [table] = await trackedTables(tx, [name], time, "body.target.table");
  const { relation } = table as { relation: number };
  if (to !== undefined) {
    const count = await draft.countRecord(relation, recordId, entryId, time, limits.entriesMax);
    if (count > limits.entriesMax) throw tooManyEntries(limits);
  }
  const record = await draft.record(relation, recordId, entryId, time);
  if (record === null) {
    const what =
      entryId !== null
        ? "entry of this record's history"
        : time !== null
          ? "change of this record since then"
          : "record with a history";
    const path = entryId !== null ? "body.target.to.entryId" : "body.target.recordId";
    throw nothingKnown(what, path, await historyFloor(tx));
  }
  return { where: [], relations: [relation], since: time };
}

const nothingKnown = (what: string, path: string, floor: HistoryFloor | null) => {
  const since = floor ? ` It is kept since ${floor.beginsAt.toISOString()}.` : "";
  const message = `The history of the tracked tables has no ${what}.${since}`;
  return new ServiceError("not_found", message, { errors: [{ path, code: "not_found", message }] });
};

function requireSome(
  count: number,
  what: string,
  path: string,
  { floor, limits }: { floor: HistoryFloor | null; limits: Limits },
): void {
  if (count === 0) throw nothingKnown(what, path, floor);
  if (count > limits.entriesMax) throw tooManyEntries(limits);
}
