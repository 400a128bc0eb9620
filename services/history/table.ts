import { findTables, type TrackedTable } from "../../db/queries/history.ts";
import { requireOperator, type Context } from "../context.ts";
import { invalidField, notFound } from "../errors.ts";

/** The tracked table of this name: `schema.name`, or the name alone where it is the only one; `path` is where it was named. */
export async function historyTable(ctx: Context, table: string, path = "path.table"): Promise<TrackedTable> {
  // The application's tables belong to no workspace or project of ours.
  requireOperator(ctx, "history:read");
  const dot = table.indexOf(".");
  const found = await findTables(ctx.db, dot < 0 ? null : table.slice(0, dot), table.slice(dot + 1));
  const [one, ...others] = found;
  if (one === undefined) throw notFound("tracked table", path);
  if (others.length > 0) {
    const names = found.map(({ schema, name }) => `${schema}.${name}`).join(", ");
    throw invalidField(path, "ambiguous", `is in several schemas; name one of ${names}`);
  }
  return one;
}
