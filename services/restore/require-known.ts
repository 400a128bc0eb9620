import type { Db } from "../../db/client.ts";
import { historyFloor } from "../../db/queries/history-floor.ts";
import { nameTables, shownColumns, type Draft } from "../../db/queries/restore-draft.ts";
import { invalidField, ServiceError } from "../errors.ts";
import { requireKept } from "../history/floor.ts";

/** A column and the values that it may have, as texts. */
export interface Filter {
  column: string;
  values: (string | null)[];
}

/** Tables by `schema.name`. Throws `not_found`, and `conflict` (409) for one without a history, or none at that time yet. */
export async function trackedTables(tx: Db, names: string[], at: Date | null, path: string) {
  const floor = await historyFloor(tx);
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
    if (at !== null) requireKept(floor, at, name, trackedAt);
    return { name, relation };
  });
}

/** Throws 400 for a column that the history of a table does not show. */
export async function requireColumns(
  tx: Db,
  relation: number,
  table: string,
  columns: string[],
  path: string,
) {
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

/** Throws 400 for a value that is none of its column. */
export async function requireValues(draft: Draft, relation: number, table: string, where: Filter[]) {
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
export async function requireOptionColumns(tx: Db, draft: Draft, columns: string[]) {
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
