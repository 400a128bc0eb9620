import { z } from "zod";
import type { DraftProblem } from "../../db/queries/restore-draft.ts";
import type { RestoreOptions } from "./target.ts";

/** What stands in the way of a restore, or what it will not bring back. */
export const problem = z
  .object({
    severity: z
      .enum(["blocking", "conflict", "loss", "note"])
      .describe(
        "blocking: it cannot start; conflict: onConflict decides; loss: it starts only from a preview; note: for you to know.",
      ),
    code: z.string(),
    table: z.string().nullable(),
    count: z.number().int().describe("Rows concerned."),
    recordIds: z.array(z.string()).describe("The first ten of them."),
    detail: z.record(z.string(), z.unknown()),
    message: z.string(),
  })
  .meta({ id: "RestoreProblem" });
export type Problem = z.infer<typeof problem>;

/** A rollback takes fewer options than what it takes back, so it has other ways out. */
export const describeProblem = (found: DraftProblem, { isRollback }: { isRollback: boolean }): Problem => ({
  ...found,
  message: messageOf(found, isRollback),
});

/** The problems that keep a restore with these options from starting. */
export function blockers(problems: Problem[], { onConflict }: Pick<RestoreOptions, "onConflict">): Problem[] {
  return problems.filter(
    ({ severity, code }) =>
      severity === "blocking" ||
      (severity === "conflict" &&
        (onConflict === "fail" ||
          (onConflict === "overwrite" && (code === "unique_clash" || code === "parent_clash")))),
  );
}

const rowsOf = (count: number) => (count === 1 ? "1 row" : `${count} rows`);

function messageOf({ code, table, count, detail }: DraftProblem, isRollback: boolean): string {
  const of = `${table ?? "the tables"}`;
  const column = `${of}.${String(detail.column)}`;
  const orWithoutIt = isRollback ? "" : ", or restore without it by columns";
  switch (code) {
    case "changed_since":
      return `${rowsOf(count)} of ${of} were changed after the changes that are to be undone. Look at their history; onConflict skip leaves them, overwrite restores them all the same.`;
    case "unique_clash":
      return `${rowsOf(count)} of ${of} would have the value of another row under ${String(detail.index)}. Change that row first; onConflict skip leaves them.`;
    case "unique_circle":
      return `${rowsOf(count)} of ${of} would hand values under ${String(detail.index)} round in a circle, which it refuses. Make its constraint DEFERRABLE, or change one of the rows first.`;
    case "reference_changed":
      return `What ${of} references by ${String(detail.constraint)} has another type now, so it cannot be told whether ${String(detail.parent)} has it. Change the type back.`;
    case "unseen_parent":
      return `${String(detail.parent)}, which ${of} references (${String(detail.constraint)}), is not tracked: whether its rows are there shows when the restore is applied.`;
    case "missing_parent":
      return `${rowsOf(count)} of ${of} reference rows of ${String(detail.parent)} that are gone (${String(detail.constraint)}) and ${detail.isTracked === true ? "that its history does not know" : "whose table is not tracked"}. Make these rows first.`;
    case "column_dropped":
      return `${column} no longer exists; its values in ${rowsOf(Number(detail.rows))} are lost.`;
    case "column_hidden":
      if (detail.isThere === true) {
        return `${column} is kept out of the history: it stays as it is in ${rowsOf(Number(detail.rows))}.`;
      }
      return detail.isRequired === true
        ? `${column} is kept out of the history, has no default and may not be null, so ${rowsOf(Number(detail.rows))} cannot be inserted. Give it a default for the time of the restore.`
        : `${column} is kept out of the history: ${rowsOf(Number(detail.rows))} come back with its default.`;
    case "column_added":
      return `${column} was not in the history then; ${rowsOf(Number(detail.rows))} come back with its default.`;
    case "null_refused":
      return `${rowsOf(count)} of ${of} had no ${String(detail.column)}, which may not be null now. Allow nulls for the time of the restore${orWithoutIt}.`;
    case "check_refused":
      return `${rowsOf(Number(detail.rows))} of ${of} do not meet ${String(detail.constraint)} of today. Drop that check for the time of the restore.`;
    case "key_changed":
      return `The key of ${of} has another type or other columns than its history (${String(detail.sqlstate)}), so its rows cannot be found. Give it its former key back for the time of the restore.`;
    case "column_required":
      return `${column} was added since, has no default and may not be null, so ${rowsOf(Number(detail.rows))} cannot be inserted. Give it a default for the time of the restore.`;
    case "column_retyped":
      return "sqlstate" in detail
        ? `Values of ${column} do not fit its type of today (${String(detail.sqlstate)}). Change the type back${orWithoutIt}.`
        : `${String(detail.rows)} values of ${column} come out changed by its type of today.`;
    case "row_missing":
      return `${rowsOf(count)} of ${of} are gone, and columns restores rows that are there. Leave columns out.`;
    case "identity_changed":
      return `${rowsOf(count)} of ${of} had another ${String(detail.column)}, which is GENERATED ALWAYS and cannot be set back in a row that is there.`;
    case "dependents":
      return `${rowsOf(Number(detail.rows))} of ${String(detail.child)} reference a row of ${of} that would go (${String(detail.constraint)}). ${isRollback ? "Delete them, or let them reference another row, then roll back again." : "Restore that table, too, or leave strictDelete out."}`;
    case "held":
      return `${rowsOf(count)} of ${of} would be deleted, which a legal hold forbids (${(detail.holds as string[]).join(", ")}). Release it by DELETE /api/holds/{id}${isRollback ? ", then roll back again." : ", or leave strictDelete out."}`;
    case "key_dependents":
      return `${rowsOf(Number(detail.rows))} of ${String(detail.child)} reference a row of ${of} whose key would change (${String(detail.constraint)}); they follow it where the constraint cascades.`;
    case "key_twice":
      return `Two rows of ${of} had the same key in turn, within what is to be undone. Restore them one by one: { table, recordId }.`;
    case "transaction_split":
      return `Transaction ${String(detail.transactionId)} was under way at that time and changed ${of} until ${String(detail.until)}: what it did after that time is undone, what it did before stays. Take a time before or after it.`;
    case "unseen_children":
      return `${String(detail.child)} references ${of} (${String(detail.constraint)}) and is not tracked: what it lost together with these rows cannot come back.`;
    case "parent_clash":
      return `${rowsOf(count)} of ${of} reference rows that cannot come back, because another row has their value; onConflict skip leaves them.`;
    case "unseen_dependents":
      return `${String(detail.child)} references ${of} (${String(detail.constraint)}) and is not tracked, so what would go with a deleted row cannot be seen. Run: npx afterimage track ${String(detail.child)}${isRollback ? ", then roll back again." : ", or leave strictDelete out."}`;
    case "cycle":
      return `Rows reference each other in a circle that nothing can defer: ${(detail.constraints as string[]).join(", ")}. Make one of these constraints DEFERRABLE.`;
    case "no_access":
      return `The worker's role may not read and write ${of}. Run: npx afterimage track ${of}`;
    case "history_gap":
      return `The history of ${of} is not whole: capture ${detail.reason === "off" ? "was off" : "failed"} from ${String(detail.from)} to ${String(detail.to ?? "now")}.`;
    default:
      return code;
  }
}
