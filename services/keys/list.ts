import { z } from "zod";
import { listKeys as queryKeys } from "../../db/queries/keys.ts";
import { requireScope, type Context } from "../context.ts";
import { decodeCursor, encodeCursor, UUID_SHAPE } from "../cursor.ts";
import { callerId, limit } from "../inputs.ts";
import { reachOf, toKey, type Key } from "./key.ts";

export const keyFilter = z.strictObject({
  userId: callerId.optional(),
  limit,
  cursor: z.string().optional(),
});
type KeyFilter = z.infer<typeof keyFilter>;

/** Keys that reach no further than the asking one, newest first. */
export async function listKeys(
  ctx: Context,
  input: KeyFilter,
): Promise<{ items: Key[]; nextCursor: string | null }> {
  requireScope(ctx, "keys:manage");
  const filters = { list: "keys", userId: input.userId };
  const position = decodeCursor(input.cursor, filters, [UUID_SHAPE]);
  const rows = await queryKeys(ctx.db, {
    reach: reachOf(ctx),
    ...(input.userId === undefined ? {} : { userId: input.userId }),
    ...(position === null ? {} : { before: position[0] as string }),
    limit: input.limit + 1,
  });
  const items = rows.slice(0, input.limit);
  const last = rows.length > input.limit ? items.at(-1) : undefined;
  return { items: items.map(toKey), nextCursor: last ? encodeCursor([last.id], filters) : null };
}
