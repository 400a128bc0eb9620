import { z } from "zod";
import { listItems } from "../../db/queries/restore-items.ts";
import { findRun, listRuns } from "../../db/queries/restore-runs.ts";
import { ANSWER_BYTES_MAX, pageOf } from "../answer-size.ts";
import { requireOperator, type Context } from "../context.ts";
import { decodeCursor, encodeCursor, UUID_SHAPE } from "../cursor.ts";
import { notFound } from "../errors.ts";
import { recordRead } from "../events/record-read.ts";
import { limit } from "../inputs.ts";
import { runStatus, toRestore, type Restore } from "./run.ts";

export const restoreQuery = z.strictObject({
  status: runStatus.optional().describe("Previews (planned) are listed only when asked for."),
  limit,
  cursor: z.string().optional(),
});

/** Restores and rollbacks, the newest first. */
export async function listRestores(
  ctx: Context,
  { status, limit, cursor }: z.output<typeof restoreQuery>,
): Promise<{ items: Restore[]; nextCursor: string | null }> {
  requireOperator(ctx, "restores:read");
  const filters = { list: "restores", status };
  const position = decodeCursor(cursor, filters, [UUID_SHAPE]);
  const found = await listRuns(ctx.db, {
    status,
    limit: limit + 1,
    ...(position ? { before: position[0] as string } : {}),
  });
  const items = found.slice(0, limit);
  const last = found.length > limit ? items.at(-1) : undefined;
  return { items: items.map(toRestore), nextCursor: last ? encodeCursor([last.id], filters) : null };
}

export const itemQuery = z.strictObject({ limit, cursor: z.string().optional() });

export const restoreItem = z
  .object({
    position: z.number().int(),
    table: z.string(),
    recordId: z.string(),
    liveRecordId: z.string().nullable().describe("The key of the row that is there now."),
    action: z.enum(["insert", "update", "delete"]),
    origin: z
      .enum(["target", "child", "parent"])
      .describe("child: went with a row that comes back; parent: is referenced by one."),
    entryId: z.string().nullable().describe("The entry of the history that holds what comes back."),
    chunk: z.number().int(),
    conflict: z.string().nullable(),
    changes: z.record(z.string(), z.object({ now: z.unknown(), restored: z.unknown() })),
    outcome: z.enum(["applied", "skipped"]).nullable(),
    detail: z.string().nullable(),
  })
  .meta({ id: "RestoreItem" });

const POSITION_SHAPE = /^[1-9]\d{0,6}$/;

/** A page of a restore's rows, as JSON text, in the order in which they are applied; the read itself is audited. */
export async function listRestoreItems(
  ctx: Context,
  id: string,
  { limit, cursor }: z.output<typeof itemQuery>,
): Promise<string> {
  requireOperator(ctx, "restores:read");
  if (!(await findRun(ctx.db, id))) throw notFound("restore");
  const filters = { list: "restore-items", id };
  const position = decodeCursor(cursor, filters, [POSITION_SHAPE]);
  const after = Number(position?.[0] ?? 0);
  const found = await listItems(ctx.db, id, { after, limit: limit + 1, bytes: ANSWER_BYTES_MAX });
  await recordRead(ctx, "restore-items", { restoreId: id });
  const { shown, last } = pageOf(found, limit, ({ json }) => json);
  const nextCursor = last ? encodeCursor([String(last.position)], filters) : null;
  return `{"items":[${shown.map(({ json }) => json).join(",")}],"nextCursor":${JSON.stringify(nextCursor)}}`;
}
