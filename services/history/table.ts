import { findTables, type TrackedTable } from "../../db/queries/history.ts";
import { requireOperator, type Context } from "../context.ts";
import { invalidField, notFound } from "../errors.ts";

/** The tracked table of a path: as findTrackedTable, and `not_found` when there is none. */
export async function historyTable(ctx: Context, name: string): Promise<TrackedTable> {
  const table = await findTrackedTable(ctx, name, "path.table");
  if (table === null) throw notFound("tracked table", "path.table");
  return table;
}

/**
 * The tracked table called `schema.name`, or by the name alone where it is the only one; null when there is none. Throws a
 * 400 at `path` for a name that several schemas have.
 */
export async function findTrackedTable(
  ctx: Context,
  table: string,
  path: string,
): Promise<TrackedTable | null> {
  // The application's tables belong to no workspace or project of ours.
  requireOperator(ctx, "history:read");
  const dot = table.indexOf(".");
  const found = await findTables(ctx.db, dot < 0 ? null : table.slice(0, dot), table.slice(dot + 1));
  const [one, ...others] = found;
  if (others.length > 0) {
    const names = found.map(({ schema, name }) => `${schema}.${name}`).join(", ");
    throw invalidField(path, "ambiguous", `is in several schemas; name one of ${names}`);
  }
  return one ?? null;
}
