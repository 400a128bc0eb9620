import { z } from "zod";
import { unarchiveEvent as queryUnarchive } from "../../db/queries/archive.ts";
import { findEvent } from "../../db/queries/events.ts";
import { setActor } from "../../db/queries/rows.ts";
import { requireScope, type Context } from "../context.ts";
import { notFound } from "../errors.ts";
import { filledText } from "../inputs.ts";

const KEEP_DAYS_MAX = 3_650;
const KEEP_DAYS_DEFAULT = 30;
const REASON_LENGTH_MAX = 1_000;

export const unarchiving = z.strictObject({
  keepDays: z
    .int()
    .min(1)
    .max(KEEP_DAYS_MAX)
    .optional()
    .describe(`How many days it stays in hot storage from now; ${KEEP_DAYS_DEFAULT} unless said.`),
  reason: filledText(REASON_LENGTH_MAX).optional(),
});

export const unarchived = z
  .object({ id: z.string(), staysUntil: z.string().describe("The archiver leaves it alone until then.") })
  .meta({ id: "UnarchivedEvent" });

/**
 * Brings an archived event back into hot storage, whose month is made again where it is gone; one that is hot stays so. Both
 * are logged. Throws `not_found` for another tenant's event.
 */
export async function unarchiveEvent(
  ctx: Context,
  id: string,
  { keepDays = KEEP_DAYS_DEFAULT, reason }: z.infer<typeof unarchiving>,
): Promise<z.infer<typeof unarchived>> {
  requireScope(ctx, "retention:manage");
  const { userId, workspaces } = ctx.principal;
  if (!(await findEvent(ctx.db, id, { workspaceIds: workspaces, includeDeleted: false }))) {
    throw notFound("event");
  }
  return ctx.db.transaction(async (tx) => {
    await setActor(tx, { userId, requestId: ctx.requestId });
    const until = await queryUnarchive(tx, { id, keepDays, userId, reason: reason ?? null });
    return { id, staysUntil: until.toISOString() };
  });
}
