import { z } from "zod";
import { callerId, filledText, text, time, uuid } from "../inputs.ts";

const TABLES_MAX = 50;
const COLUMNS_MAX = 100;
const VALUES_MAX = 1_000;
const KEY_LENGTH_MAX = 1_000;
const NAME_LENGTH_MAX = 200;
const REASON_LENGTH_MAX = 2_000;
const ENTRY_DIGITS = /^[1-9]\d{0,17}$/;
const TRANSACTION_DIGITS = /^[1-9]\d{0,18}$/;

const tableName = text(1, NAME_LENGTH_MAX).describe("schema.name as the catalog spells it, unquoted.");
const tables = z.array(tableName).min(1).max(TABLES_MAX);
const columnName = text(1, NAME_LENGTH_MAX);
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
// No name is the name of no column, as any other that the table does not have: OpenAPI cannot say more of a field's name.
const where = z
  .record(
    text(0, NAME_LENGTH_MAX),
    z.union([scalar, z.array(scalar).min(1).max(VALUES_MAX)], {
      error: `must be text, a number, true, false or null, or a list of 1 to ${VALUES_MAX} of them`,
    }),
  )
  .describe(
    "Columns and the values that they may have, compared as the column's type; all must hold for the row as it was.",
  );

const recordTarget = z.strictObject({
  table: tableName,
  recordId: text(1, KEY_LENGTH_MAX).describe("The row's key; a composite one as a JSON array."),
  to: z
    .union([
      z.strictObject({
        entryId: z
          .string()
          .regex(ENTRY_DIGITS, "must be the number of an entry, in digits")
          .describe("As this entry of its history found it."),
      }),
      z.strictObject({ time: time.describe("As it was then; recordId is its key of then.") }),
    ])
    .optional()
    .describe("Without it: as its last change found it."),
});
const transactionTarget = z.strictObject({
  transactionId: z.string().regex(TRANSACTION_DIGITS, "must be the number of a transaction, in digits"),
});
const actorTarget = z.strictObject({
  actor: callerId,
  from: time,
  to: time.describe("Before this time."),
  tables: tables.optional(),
});
const tablesTarget = z.strictObject({ tables, at: time, where: where.optional() });

/** What to bring back. */
export const restoreTarget = z
  .union([recordTarget, transactionTarget, actorTarget, tablesTarget], {
    error:
      "must be { table, recordId, to? }, { transactionId }, { actor, from, to, tables? } or { tables, at, where? }",
  })
  .meta({ id: "RestoreTarget" });
export type RestoreTarget = z.output<typeof restoreTarget>;

export type TargetKind = "record" | "transaction" | "actor" | "tables";

export function kindOf(target: RestoreTarget): TargetKind {
  if ("recordId" in target) return "record";
  if ("transactionId" in target) return "transaction";
  return "actor" in target ? "actor" : "tables";
}

const onConflict = z
  .enum(["fail", "skip", "overwrite"])
  .default("fail")
  .describe(
    "What to do with a row that is not as it was planned: refuse all, leave it, or write anyway. Writing sets the columns that the plan shows; others stay as somebody wrote them since.",
  );

/** How to bring it back. */
export const restoreOptions = z
  .strictObject({
    createSnapshot: z.boolean().default(true).describe("Needed to roll the restore back."),
    strictDelete: z.boolean().default(false).describe("Delete rows that came after the point, too."),
    onConflict,
    columns: z
      .array(columnName)
      .min(1)
      .max(COLUMNS_MAX)
      .optional()
      .describe("Restore these columns alone, of rows that are there."),
    flush: z.enum(["auto", "none"]).default("auto"),
    reenqueue: z.enum(["auto", "none"]).default("auto"),
  })
  .meta({ id: "RestoreOptions" });
export type RestoreOptions = z.output<typeof restoreOptions>;

const reason = filledText(REASON_LENGTH_MAX).describe("Why; it is kept with the restore.");
const incident = callerId.optional().describe("A reference of yours, carried into report and alerts.");

export const planRequest = z.strictObject({
  target: restoreTarget,
  options: restoreOptions.prefault({}),
  reason,
  incident,
});
export type PlanRequest = z.output<typeof planRequest>;

const DIGEST = /^[0-9a-f]{64}$/;

/** A plan that somebody previewed, or a target to plan anew. */
export const startRequest = z.union(
  [
    z.strictObject({
      planId: uuid,
      digest: z.string().regex(DIGEST, "must be the digest that the preview answered"),
    }),
    planRequest,
  ],
  { error: "must be { planId, digest } or { target, options?, reason, incident? }" },
);
export type StartRequest = z.output<typeof startRequest>;

export const rollbackRequest = z.strictObject({ reason, incident, onConflict });
export type RollbackRequest = z.output<typeof rollbackRequest>;

export const decisionRequest = z.strictObject({ note: filledText(REASON_LENGTH_MAX).optional() });
