import { z } from "zod";
import { historyFloor } from "../../db/queries/history-floor.ts";
import { listEntries } from "../../db/queries/history.ts";
import { ANSWER_BYTES_MAX, pageOf } from "../answer-size.ts";
import type { Context } from "../context.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { recordRead } from "../events/record-read.ts";
import { limit, page, since, time } from "../inputs.ts";
import { beginOf, requireKept } from "./floor.ts";
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
  from: since.optional().describe("createdAt at or after."),
  to: time.optional().describe("createdAt before."),
  limit,
  cursor: z.string().optional(),
});

const ID_SHAPE = /^[1-9]\d{0,17}$/;

export const historyPage = page(historyEntry).extend({
  beginsAt: z
    .string()
    .describe(
      "Since when the history of this table is kept: when its tracking began, or what came after the last month that was dropped.",
    ),
});

/**
 * A page of what happened to a record, newest first, as JSON text; the read itself is audited. Throws `conflict` (409) for a
 * time whose months were dropped.
 */
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
    bytes: ANSWER_BYTES_MAX,
    ...(position ? { before: position[0] as string } : {}),
    ...(from ? { from } : {}),
    ...(to ? { to } : {}),
  });
  // After the read: a month that was dropped just before it is below the floor by now.
  const floor = await historyFloor(ctx.db);
  for (const at of [from, to]) if (at) requireKept(floor, at, criteria.table, table.trackedAt);
  await recordRead(ctx, "history", criteria);
  const { shown, last } = pageOf(found, limit, ({ json }) => json);
  const nextCursor = last ? encodeCursor([last.id], filters) : null;
  return `{"items":[${shown.map(({ json }) => json).join(",")}],"nextCursor":${JSON.stringify(nextCursor)},"beginsAt":${JSON.stringify(beginOf(floor, table))}}`;
}
