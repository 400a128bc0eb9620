import { createHash } from "node:crypto";
import type { Db } from "../../db/client.ts";
import {
  draftOf,
  draftProblems,
  nameTables,
  plannedShape,
  shapesOf,
  shownColumns,
  type Draft,
} from "../../db/queries/restore-draft.ts";
import { insertRun, type RunRow } from "../../db/queries/restore-runs.ts";
import type { Config } from "../../lib/config.ts";
import type { Principal } from "../context.ts";
import { invalidField, ServiceError } from "../errors.ts";
import { kindOf, type PlanRequest, type RestoreOptions, type RestoreTarget } from "./target.ts";
import { describeProblem, type Problem } from "./problems.ts";

/** Rows that a restore may concern, and entries of the history that it may have to look at. */
const ITEMS_MAX = 200_000;
const ENTRIES_MAX = 1_000_000;
/** Rows of one transaction, unless said otherwise. */
export const CHUNK_ROWS = 5_000;
const PLAN_HOURS = 24;
const MS_PER_H = 3_600_000;
/** How far relations are followed: children of children, parents of parents. */
const ROUNDS_MAX = 50;

export interface Planning {
  /** As the worker, which may read the application's tables. */
  worker: Db;
  config: Config;
  principal: Pick<Principal, "userId" | "keyId">;
  /** Rows of one transaction. */
  chunkRows?: number;
}

export interface RollbackPlan {
  rollbackOf: string;
  target: { restoreId: string };
}

export type PlanInput = Pick<PlanRequest, "options" | "reason" | "incident"> &
  ({ target: RestoreTarget } | RollbackPlan);

/** Plans a restore and stores it with its items; nothing else is touched. Throws what `draftTarget` throws. */
export async function planRestore(ctx: Planning, input: PlanInput): Promise<RunRow> {
  return ctx.worker.transaction((tx) => planWithin({ ...ctx, worker: tx }, input), {
    isolationLevel: "repeatable read",
  });
}

/** Plans the same again and keeps nothing: whether the digest is still the one that somebody saw. */
export async function digestOfToday(ctx: Planning, input: PlanInput): Promise<string> {
  let digest = "";
  const keepNothing = new Error("planned only to compare");
  await ctx.worker
    .transaction(
      async (tx) => {
        ({ digest } = await planWithin({ ...ctx, worker: tx }, input));
        throw keepNothing;
      },
      { isolationLevel: "repeatable read" },
    )
    .catch((error: unknown) => {
      if (error !== keepNothing) throw error;
    });
  return digest;
}

async function planWithin(ctx: Planning, input: PlanInput): Promise<RunRow> {
  const { worker: tx, config, principal, chunkRows = CHUNK_ROWS } = ctx;
  const { options, reason, incident } = input;
  const draft = draftOf(tx);
  await draft.begin();
  const stay =
    "rollbackOf" in input ? await draftRollback(draft, input) : await draftTarget(tx, draft, input);
  const itemCount = await draft.count();
  if (itemCount > ITEMS_MAX) throw tooLarge(`${itemCount} rows`, ITEMS_MAX);
  await draft.order(chunkRows);
  const id = await draft.newId();
  await draft.store(id, chunkRows);
  const shape = await plannedShape(tx, id);
  const problems = (await draftProblems(tx)).map(describeProblem);
  if (stay > 0) problems.push(staying(stay));
  const tables = shape.tables.map((table) => ({
    ...table,
    touch: "rollbackOf" in input ? [] : (config.tables[table.name]?.touch ?? []),
  }));
  const shapes = await shapesOf(
    tx,
    tables.map(({ relation }) => relation),
  );
  const rests = { items: await draft.digest(id), target: input.target, options, tables, shapes, problems };
  return insertRun(tx, {
    id,
    rollbackOf: "rollbackOf" in input ? input.rollbackOf : null,
    status: "planned",
    target: input.target,
    options,
    reason,
    incident: incident ?? null,
    digest: createHash("sha256").update(JSON.stringify(rests)).digest("hex"),
    tables,
    problems,
    itemCount: shape.itemCount,
    chunkStarts: shape.chunkStarts,
    requestedByUserId: principal.userId,
    requestedByKeyId: principal.keyId,
    expiresAt: new Date(Date.now() + PLAN_HOURS * MS_PER_H),
  });
}

async function draftRollback(draft: Draft, { rollbackOf }: RollbackPlan): Promise<number> {
  await draft.rollback(rollbackOf);
  await draft.matchLive();
  await draft.widenRollback(rollbackOf);
  return settle(draft, { strict: true, columns: null, rollbackOf, relations: [], since: null });
}

/**
 * Drafts what a target means. Returns how many rows that came after the point stay. Throws `not_found` for a table or a
 * record without a history, `conflict` (409) for an untracked table or a time before its history, and for what is too large.
 */
async function draftTarget(tx: Db, draft: Draft, input: { target: RestoreTarget; options: RestoreOptions }) {
  const { target, options } = input;
  const at = pointOf(target);
  const { record, where, relations, since } = await draftEntries(tx, draft, target);
  const kind = kindOf(target);
  await draft.rows(kind === "transaction" || kind === "actor");
  if (record !== null) await draft.keep(record);
  await draft.matchLive();
  if (where.length > 0) await draft.filter(where);
  for (let round = 0; round < ROUNDS_MAX && (await draft.children(at)) > 0; round++) await draft.matchLive();
  for (let round = 0; round < ROUNDS_MAX && (await draft.parents(at)) > 0; round++) await draft.matchLive();
  const columns = options.columns ?? null;
  if (columns !== null) await requireOptionColumns(tx, draft, columns);
  // Restoring columns deletes no row.
  const strict = options.strictDelete && columns === null;
  return settle(draft, { strict, columns, rollbackOf: null, relations, since });
}

interface Settling {
  strict: boolean;
  columns: string[] | null;
  rollbackOf: string | null;
  relations: number[];
  since: Date | null;
}

/** What a draft comes to with the tables as they are now; returns how many rows that came after the point stay. */
async function settle(draft: Draft, { strict, columns, rollbackOf, relations, since }: Settling) {
  await draft.mapColumns(columns);
  await draft.markChangedSince();
  if (rollbackOf !== null) await draft.forgive(rollbackOf);
  const stay = await draft.decide(strict);
  await draft.checkUnique();
  await draft.spreadClashes();
  await draft.checkConstraints();
  await draft.checkDependents();
  if (rollbackOf === null) await draft.checkLostChildren();
  await draft.checkAccess(relations, since);
  return stay;
}

interface Drafted {
  /** The key of the one record that is asked for. */
  record: string | null;
  where: { column: string; values: (string | null)[] }[];
  /** The tables that are asked for by name, and since when their history counts. */
  relations: number[];
  since: Date | null;
}

async function draftEntries(tx: Db, draft: Draft, target: RestoreTarget): Promise<Drafted> {
  const none = { record: null, where: [], relations: [], since: null };
  if ("recordId" in target) return draftRecord(tx, draft, target);
  if ("transactionId" in target) {
    requireSome(
      await draft.transaction(target.transactionId),
      "transaction with a history",
      "body.target.transactionId",
    );
    return none;
  }
  if ("actor" in target) {
    const { actor, from, to } = target;
    if (from >= to) throw invalidField("body.target.to", "before_from", "must be after from");
    const tables = target.tables ? await trackedTables(tx, target.tables, from, "body.target.tables") : null;
    const relations = tables?.map(({ relation }) => relation) ?? null;
    requireSome(
      await draft.actor(actor, from, to, relations),
      "change by this actor in this time",
      "body.target.actor",
    );
    return { ...none, relations: relations ?? [], since: from };
  }
  const { at } = target;
  if (at.getTime() > Date.now()) throw invalidField("body.target.at", "in_future", "must be in the past");
  const tables = await trackedTables(tx, target.tables, at, "body.target.tables");
  const where = Object.entries(target.where ?? {}).map(([column, value]) => ({
    column,
    values: (Array.isArray(value) ? value : [value]).map((one) => (one === null ? null : String(one))),
  }));
  let entries = 0;
  for (const { relation, name } of tables) {
    await requireColumns(
      tx,
      relation,
      name,
      where.map(({ column }) => column),
      "body.target.where",
    );
    await requireValues(draft, relation, name, where);
    entries += await draft.since(relation, at);
    if (entries > ENTRIES_MAX) throw tooLarge(`${entries} changes to look at`, ENTRIES_MAX);
  }
  return { record: null, where, relations: tables.map(({ relation }) => relation), since: at };
}

async function draftRecord(tx: Db, draft: Draft, target: Extract<RestoreTarget, { recordId: string }>) {
  const { recordId, to } = target;
  const time = to && "time" in to ? to.time : null;
  const entryId = to && "entryId" in to ? to.entryId : null;
  const [table] = await trackedTables(tx, [target.table], time, "body.target.table");
  const { relation } = table as { relation: number };
  const record = await draft.record(relation, recordId, entryId, time);
  if (record === null) {
    const what =
      entryId !== null
        ? "entry of this record's history"
        : time !== null
          ? "change of this record since then"
          : "record with a history";
    throw nothingKnown(what, entryId !== null ? "body.target.to.entryId" : "body.target.recordId");
  }
  return { record, where: [], relations: [relation], since: time };
}

const nothingKnown = (what: string, path: string) => {
  const message = `The history of the tracked tables has no ${what}.`;
  return new ServiceError("not_found", message, { errors: [{ path, code: "not_found", message }] });
};

function requireSome(count: number, what: string, path: string): void {
  if (count === 0) throw nothingKnown(what, path);
  if (count > ENTRIES_MAX) throw tooLarge(`${count} changes to look at`, ENTRIES_MAX);
}

async function trackedTables(tx: Db, names: string[], at: Date | null, path: string) {
  const tables = await nameTables(tx, [...new Set(names)]);
  return tables.map(({ name, relation, trackedAt, exists }) => {
    if (!exists) {
      const message = "names no table of this database. Write it as schema.name, unquoted.";
      throw new ServiceError("not_found", `${path}: ${name} ${message}`, {
        errors: [{ path, code: "not_found", message }],
      });
    }
    if (relation === null || trackedAt === null) {
      throw new ServiceError(
        "conflict",
        `${name} is not tracked, so it has no history to restore from. Run: npx afterimage track ${name}`,
      );
    }
    if (at !== null && at < trackedAt) {
      throw new ServiceError(
        "conflict",
        `The history of ${name} begins at ${trackedAt.toISOString()}. Ask for a later time.`,
      );
    }
    return { name, relation };
  });
}

async function requireColumns(tx: Db, relation: number, table: string, columns: string[], path: string) {
  if (columns.length === 0) return;
  const shown = new Set(await shownColumns(tx, relation));
  const unknown = columns.find((column) => !shown.has(column));
  if (unknown === undefined) return;
  throw invalidField(
    `${path}.${unknown}`,
    "unknown_column",
    `is no column of ${table} that its history shows`,
  );
}

async function requireValues(draft: Draft, relation: number, table: string, where: Drafted["where"]) {
  for (const { column, values } of where) {
    if (!(await draft.fitsFilter(relation, column, values))) {
      throw invalidField(
        `body.target.where.${column}`,
        "wrong_type",
        `holds what is no value of this column of ${table}`,
      );
    }
  }
}

/** Each column must be one of some table of the plan, that its history shows. */
async function requireOptionColumns(tx: Db, draft: Draft, columns: string[]) {
  const shown = new Set<string>();
  for (const relation of await draft.relations()) {
    for (const column of await shownColumns(tx, relation)) shown.add(column);
  }
  const unknown = columns.findIndex((column) => !shown.has(column));
  if (unknown < 0 || shown.size === 0) return;
  throw invalidField(
    `body.options.columns.${unknown}`,
    "unknown_column",
    "is no column of these tables that their history shows",
  );
}

/** The time as of which rows come back; null where they come back as a change found them. */
function pointOf(target: RestoreTarget): Date | null {
  if ("at" in target) return target.at;
  if ("recordId" in target && target.to && "time" in target.to) return target.to.time;
  return null;
}

const tooLarge = (found: string, max: number) =>
  new ServiceError(
    "conflict",
    `This target has ${found}; a restore takes ${max} at most. Name fewer tables, a filter or a later time.`,
  );

const staying = (count: number): Problem => ({
  severity: "note",
  code: "rows_stay",
  table: null,
  count,
  recordIds: [],
  detail: {},
  message: `${count} rows came after the point and stay; strictDelete: true would delete them.`,
});
