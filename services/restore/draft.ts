import type { Db } from "../../db/client.ts";
import type { Draft } from "../../db/queries/restore-draft.ts";
import { draftEntries } from "./draft-entries.ts";
import { tooDeep, tooManyEntries, tooManyItems, type Limits } from "./limits.ts";
import { requireOptionColumns } from "./require-known.ts";
import { kindOf, type RestoreOptions, type RestoreTarget } from "./target.ts";

interface TargetInput {
  target: RestoreTarget;
  options: RestoreOptions;
}

/**
 * Drafts what a target means. Returns how many rows that came after the point stay. Throws `not_found` for a table or a
 * record without a history, `conflict` (409) for an untracked table or a time before its history, and for what is too large.
 */
export async function draftTarget(
  tx: Db,
  draft: Draft,
  { target, options }: TargetInput,
  limits: Limits,
): Promise<number> {
  const at = pointOf(target);
  const { where, relations, since } = await draftEntries(tx, draft, target, limits);
  const kind = kindOf(target);
  await draft.rows(kind === "transaction" || kind === "actor");
  if (kind === "record") await draft.keepFirst();
  await draft.matchLive();
  if (where.length > 0) await draft.filter(where);
  await follow(draft, () => draft.children(at), limits);
  await follow(draft, () => draft.parents(at), limits);
  const columns = options.columns ?? null;
  if (columns !== null) await requireOptionColumns(tx, draft, columns);
  // Restoring columns deletes no row.
  const strict = options.strictDelete && columns === null;
  return settle(draft, { strict, columns, rollbackOf: null, relations, since }, limits);
}

/** Drafts to put back what a restore did, from its snapshot; no row stays that it inserted. */
export async function draftRollback(draft: Draft, rollbackOf: string, limits: Limits): Promise<number> {
  await draft.rollback(rollbackOf);
  await draft.matchLive();
  await draft.widenRollback(rollbackOf);
  return settle(draft, { strict: true, columns: null, rollbackOf, relations: [], since: null }, limits);
}

/** Follows relations until a round finds nothing more. */
async function follow(draft: Draft, next: () => Promise<number>, limits: Limits): Promise<void> {
  let found = 0;
  for (let round = 0; round < limits.roundsMax; round++) {
    const count = await next();
    if (count === 0) return;
    found += count;
    if (found > limits.entriesMax) throw tooManyEntries(limits);
    await draft.matchLive();
  }
  throw tooDeep(limits);
}

interface Settling {
  strict: boolean;
  columns: string[] | null;
  rollbackOf: string | null;
  relations: number[];
  since: Date | null;
}

/** What a draft comes to with the tables as they are now; returns how many rows that came after the point stay. */
async function settle(
  draft: Draft,
  { strict, columns, rollbackOf, relations, since }: Settling,
  limits: Limits,
): Promise<number> {
  await draft.mapColumns(columns);
  await draft.markChangedSince();
  if (rollbackOf !== null) await draft.forgive(rollbackOf);
  const stay = await draft.decide(strict);
  const itemCount = await draft.count();
  if (itemCount > limits.itemsMax) throw tooManyItems(itemCount, limits);
  await draft.checkUnique();
  await draft.spreadClashes();
  await draft.checkConstraints();
  await draft.checkDependents();
  await draft.checkHolds();
  if (rollbackOf === null) await draft.checkLostChildren();
  await draft.checkAccess(relations, since);
  return stay;
}

/** The time as of which rows come back; null where they come back as a change found them. */
function pointOf(target: RestoreTarget): Date | null {
  if ("at" in target) return target.at;
  if ("recordId" in target && target.to && "time" in target.to) return target.to.time;
  return null;
}
