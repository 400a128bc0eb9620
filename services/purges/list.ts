import { z } from "zod";
import { listPurges as queryPurges } from "../../db/queries/purges.ts";
import { resendIfWaiting } from "../requests/resend-waiting.ts";
import { requireOperator, type Context } from "../context.ts";
import { decodeCursor, encodeCursor, UUID_SHAPE } from "../cursor.ts";
import { limit } from "../inputs.ts";
import { purgeStatus, toPurge, type Purge } from "./purge.ts";

export const purgeQuery = z.strictObject({
  status: purgeStatus.optional(),
  limit,
  cursor: z.string().optional(),
});

/** Proposed purges and what became of them, the newest first. Looking at one that nobody works on sends its event again. */
export async function listPurges(
  ctx: Context,
  { status, limit, cursor }: z.output<typeof purgeQuery>,
): Promise<{ items: Purge[]; nextCursor: string | null }> {
  requireOperator(ctx, "purges:read");
  const filters = { list: "purges", status };
  const position = decodeCursor(cursor, filters, [UUID_SHAPE]);
  const found = await queryPurges(ctx.db, { status, limit: limit + 1, before: position?.[0] });
  for (const { id, status: state } of found) if (state === "approved") await resendIfWaiting(ctx, id);
  const items = found.slice(0, limit);
  const last = found.length > limit ? items.at(-1) : undefined;
  return { items: items.map(toPurge), nextCursor: last ? encodeCursor([last.id], filters) : null };
}
