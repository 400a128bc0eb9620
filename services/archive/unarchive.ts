import { z } from "zod";
import { unarchiveColdEvent, unarchiveEvent as queryUnarchive } from "../../db/queries/archive.ts";
import { purgedMonths } from "../../db/queries/cold-files.ts";
import { findEvent as findStored } from "../../db/queries/events.ts";
import { NO_DATA_FOUND } from "../../lib/sqlstate.ts";
import { tellingFaults } from "../cold/faults.ts";
import { proveColdEvent } from "../cold/prove.ts";
import { requireScope } from "../context.ts";
import { notFound, ServiceError } from "../errors.ts";
import { findEvent } from "../events/find.ts";
import type { ReadContext } from "../events/list.ts";
import { filledText } from "../inputs.ts";
import { hasSqlstate } from "../postgres-errors.ts";

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
 * Brings an archived event back into hot storage, from a table or a cold file; its month is made again where it is gone. One
 * that is hot stays so, and none leaves sooner than was asked for before. Each is logged. Throws `not_found` for another
 * tenant's event and for one whose file was purged, `conflict` when it is purged or moved at this moment.
 */
export async function unarchiveEvent(
  ctx: ReadContext,
  id: string,
  { keepDays = KEEP_DAYS_DEFAULT, reason }: z.infer<typeof unarchiving>,
): Promise<z.infer<typeof unarchived>> {
  requireScope(ctx, "retention:manage");
  const { userId, workspaces: workspaceIds } = ctx.principal;
  const stay = { keepDays, userId, requestId: ctx.requestId, reason: reason ?? null };
  const visible = { workspaceIds, includeDeleted: false };
  if (!(await tellingFaults(ctx, () => findEvent(ctx, id, visible)))) throw await nowhere(ctx, id);
  const isStored = (await findStored(ctx.db, id, visible)) !== null;
  // Null, too, where another request has just brought it back.
  const proven = isStored ? null : await tellingFaults(ctx, () => proveColdEvent(ctx, id, workspaceIds));
  try {
    // Alone, not in a transaction: a month that is made keeps readers waiting until the commit.
    const until = proven
      ? await unarchiveColdEvent(ctx.db, proven, stay)
      : await queryUnarchive(ctx.db, id, stay);
    return { id, staysUntil: until.toISOString() };
  } catch (error) {
    if (!hasSqlstate(error, NO_DATA_FOUND)) throw error;
    throw new ServiceError("conflict", "The event is being moved or purged. Send the same request again.");
  }
}

/** An event that is found nowhere may have been purged, which no request undoes. */
async function nowhere(ctx: ReadContext, id: string): Promise<ServiceError> {
  const months = await purgedMonths(ctx.db, { id, workspaceIds: ctx.principal.workspaces });
  if (months.length === 0) return notFound("event");
  return new ServiceError(
    "not_found",
    `There is no event with this id that this key may see. If it was of ${months.join(" or ")}, it was purged: cold files of then that could have held it are gone for good. GET /api/purges says by whose approval; a backup of the storage is where it may still be.`,
  );
}
