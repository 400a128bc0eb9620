import { z } from "zod";
import { listEntries } from "../../db/queries/history.ts";
import type { Context } from "../context.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { recordRead } from "../events/record-read.ts";
import { limit, time } from "../inputs.ts";
import { historyTable } from "./table.ts";

export const historyEntry = z
  .object({
    id: z.string(),
    createdAt: z.string(),
    action: z.enum(["INSERT", "UPDATE", "DELETE", "TRUNCATE"]),
    recordId: z.string(),
    newRecordId: z.string().nullable().describe("The new key, where the change made one."),
    changedFields: z.array(z.string()).nullable(),
    changes: z.record(z.string(), z.object({ old: z.unknown(), new: z.unknown() })).nullable(),
    oldValues: z.record(z.string(), z.unknown()).nullable(),
    newValues: z
      .record(z.string(), z.unknown())
      .nullable()
      .describe("Whole after an INSERT, else what changed."),
    userId: z.string().nullable(),
    requestId: z.string().nullable(),
    transactionId: z.string(),
    restoreId: z.string().nullable(),
  })
  .meta({ id: "HistoryEntry" });

export const historyQuery = z.strictObject({
  from: time.optional().describe("createdAt at or after."),
  to: time.optional().describe("createdAt before."),
  limit,
  cursor: z.string().optional(),
});

const ID_SHAPE = /^[1-9]\d{0,17}$/;

/** A page of what happened to a record, newest first, as JSON text; the read itself is audited. */
export async function listHistory(
  ctx: Context,
  input: z.output<typeof historyQuery> & { table: string; recordId: string },
): Promise<string> {
  const { limit, cursor, table: name, recordId, from, to } = input;
  const table = await historyTable(ctx, name);
  const criteria = { table: `${table.schema}.${table.name}`, recordId, from, to };
  const filters = { list: "history", ...criteria };
  const position = decodeCursor(cursor, filters, [ID_SHAPE]);
  const found = await listEntries(ctx.db, table, recordId, {
    limit: limit + 1,
    ...(position ? { before: position[0] as string } : {}),
    ...(from ? { from } : {}),
    ...(to ? { to } : {}),
  });
  await recordRead(ctx, "history", criteria);
  const entries = found.slice(0, limit);
  const last = found.length > limit ? entries.at(-1) : undefined;
  const nextCursor = last ? encodeCursor([last.id], filters) : null;
  return `{"items":[${entries.map((entry) => entry.json).join(",")}],"nextCursor":${JSON.stringify(nextCursor)}}`;
}
